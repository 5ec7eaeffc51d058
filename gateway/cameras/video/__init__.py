"""Pictures of cameras: a child ffmpeg copies what a camera sends into fragments that browsers play."""
