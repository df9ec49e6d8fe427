"""Prefect flows, one file for each that is deployed."""
