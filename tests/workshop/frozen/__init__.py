"""Behaviour that a change of layout, names or wording must not touch, as files to compare with.

`public_names.txt` lists every public name with its signature, `exchanges.json` what each operation
sends and what becomes of its reply. `changes.json` says what has changed on purpose since they
were written. `simulator_replies.json` has requests to the simulator, and digests of its replies.
``python -m tests.workshop.frozen.write --help`` writes them anew.
"""
