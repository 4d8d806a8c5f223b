"""The page in the browser and its HTTP interface (extra ``web``): a thin coat of Gradio over `Reager`."""
