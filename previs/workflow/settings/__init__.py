"""Build graphs from workflow settings instead of a saved file.

``model`` holds the settings, ``build`` makes their graphs, ``samplers`` translates other tools' sampler names.
"""
