"""Build graphs from workflow settings instead of a saved file.

``model`` holds the settings, ``reading`` checks files of them, ``build`` makes their graphs, and ``samplers``
translates other tools' sampler names.
"""
