"""Everything with time in it: videos, films, the people followed through them."""
