"""Imitation data: (state, action) pairs of experts in MuJoCo's Swimmer, Reacher and Hopper.

They are built here with gymnasium, by a scripted expert (Reacher) or one trained with
stable-baselines3, or read from the published sets of Minari, D4RL and JAT. Importing this package
loads none of the optional libraries.
"""
