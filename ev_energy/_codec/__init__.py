"""JSON to models and back.

Decoding a reply takes up to three passes. Each runs only where the one before it cannot vouch for
the result, so that a reply that matches the models costs one pass in C and a short step per model:

    bytes ──► strict pass ──────► counting ───────────────────────────► models
              msgspec builds      as many members in the models
              the models          as in the bytes
                  │                   │
                  │                   └─► restoring ──────────────────► models with `.extra`
                  │                       unknown fields are read
                  │                       again and put into `.extra`
                  │
                  └─► lenient pass ───────────────────────────────────► models, and drift
                      a value has another type, or a field is           for each deviation
                      missing: item by item, in Python

- The **strict pass** fails as a whole where one value deviates. It says nothing of keys that the
  models do not know, hence the counting: a reply with more keys than members in its models has
  some of those. A second pass of msgspec that refuses other keys would take longer.
- **Restoring** loses no data: it decodes only what the strict pass left out.
- The **lenient pass** keeps a value of another type as it is, reads a missing field as None and
  keeps an unknown enum value. It is the only pass that knows the path of each deviation, so an
  enum value that was not reported yet goes through it too. It runs for the items of a list that
  deviate, not for the others.

All passes make equal objects of a reply that matches the models. Bytes that are not JSON are
repaired where that is possible (a byte order mark, half of a surrogate pair, NaN) and decoded
again. Each pass is a generator that yields between steps of some milliseconds: the client gives
the event loop a turn there.

==================  ==============================================================================
module              contents
==================  ==============================================================================
`decode`            entry points; which pass runs when, and in how large steps
`strict`            the msgspec decoders
`msgspec_types`     the models as types that msgspec decodes natively
`member_count`      how many members of the JSON are in the models
`unknown_fields`    restoring: ``.extra``, aliases, numbers that are no price
`lenient`           the lenient pass; ``to_dict``
`fields`            what the fields of a model are, and which of them hold JSON of any shape
`raw_json`          JSON that is cut into pieces or read without a model
`drift`             deviations of replies from the models, and how they are reported
`problems`          problem documents of failed calls (RFC 9457)
`encode`            request bodies
`text`              ids, links and points in time as the API writes them
==================  ==============================================================================
"""
