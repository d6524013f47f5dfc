"""Compiled twins of the components; each file is named as its authority in `bot.legacy`.

Importing a face imports its compiled module. Ask `bot.accelerated.registry` first, which never raises.
"""
