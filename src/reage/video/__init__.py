"""Films and videos: tracking people, smoothing over time, reading and writing."""
