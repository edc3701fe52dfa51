"""Driving: camera images with steering and speed, from CARLA and from gymnasium's CarRacing."""
