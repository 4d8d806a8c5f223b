"""Models on the Hugging Face Hub: fetched, verified and pinned; published with a card (extra ``hub``)."""
