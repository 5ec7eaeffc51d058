"""The picture of simulated cameras: a short clip that is looped, served as RTSP and as FLV."""
