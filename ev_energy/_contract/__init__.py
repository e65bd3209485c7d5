"""The facts of the API's description, in ``api.json``: names, types, limits and statuses, no text.

Tests and the simulator read this file, never the description itself, which belongs to the vendor.
`extract` makes it from the description; ``tests/contract/write_facts.py`` is the command for that.
`changes` compares it with another description, for the command ``contract``.

The file uses the keywords of OpenAPI 3.1 and JSON Schema, with one line for each item. It differs
from a description as follows:

- A reference is the bare name of a component: ``"items": "EVSE"``.
- Operations are listed by method and path. Parameters of the path stand in each of its operations.
- ``public`` or ``scopes`` of an operation replace its ``security``. An operation that is not
  authorized by the scheme ``oauth2`` alone has both.
- The scopes of a flow are a list; ``scopes`` are those of all flows.
- ``content`` maps each media type to its schema.
- Sets of headers that many replies share have names in ``header_sets``.
- ``anonymous_limit``, ``problems`` (the types of problems) and ``required_of_applications`` are
  facts that a description states in its text or its examples only.

The description has errors; `corrections` lists them. They are not corrected in the file, so that
the file can be compared with later versions of the description.
"""
