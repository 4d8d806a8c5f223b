"""Where the faces of a photograph are, how old they look, and how they are aligned. No pixels are changed."""
