"""Everything with time in it: videos, films, and following people through them."""
