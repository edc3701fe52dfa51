"""Kinds of weight layers, a file a family: which matrices a module holds, and what enters each."""
