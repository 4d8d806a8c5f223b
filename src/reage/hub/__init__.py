"""Models on the Hugging Face Hub: download, verify, pin and publish (extra ``hub``)."""
