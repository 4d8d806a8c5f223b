"""The page in the browser and its HTTP interface, built with Gradio (extra ``web``)."""
