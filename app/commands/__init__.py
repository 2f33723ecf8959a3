"""The sub-commands of the command line, one module each: ``add_to`` declares it, ``run`` does it.

They import what needs torch only when they run, so that help and mistakes cost no waiting.
"""
