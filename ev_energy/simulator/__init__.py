"""The ev.energy v2 API on your own machine, for experiments and for tests.

It is built from the API's public description. It is not the vendor's sandbox, which runs on the
vendor's servers and may answer differently.

How the world is computed
-------------------------

A world follows from its seed, the number of vehicles and the changes that requests made. Nothing
is simulated step by step, and no history is stored: each answer is computed when it is requested,
for any instant, and is the same in whatever order the requests arrive.

- **Random numbers have names.** ``world.random.between(1, 6, "dice", 7)`` is the same number at
  every call (`SeededRandom`). The name is a key: changing it changes the world and its ids.
- **Rows are functions of their number.** A table generates the row of vehicle 5 when it is read,
  and stores only what requests created, changed or deleted.
- **Logs are functions of time.** A series computes the entries between two instants from the
  state of the world at these instants.
- **Charging sites** pair a car with an EVSE or a socket, or are an EVSE that unknown cars use.
  A site itself never changes.
- **Closed forms.** Arrival and departure times, driven distances, prices and carbon intensities
  are formulas of the site, the day and the seed. A battery reading is the level after the last
  charge minus what driving used since; a meter reading is what driving used plus what the battery
  gained. An odometer reading from next year takes no longer than one from today.
- **Changes.** `World.record_change` appends a change (boost, charge limit, smart charging, battery
  size, disconnection) to a site, with the time of the world's clock. Readings start from it; what
  happened before stays as it was.
- **Episodes** run from plugging in to unplugging: the API's charging sessions. Each stretch of
  one mode in it is a period: a sub-session. A session's id encodes site and start.

`world.charging` answers all questions about charging: `state`, `episodes`, `fleet_episodes`,
`usage`, `events`. A worked example, with a car that charges from the evening to the next morning:

>>> from datetime import timedelta
>>> from ev_energy.simulator.resources._seed_world import build_world
>>> clock = Clock(speed=0)
>>> world = build_world(seed=1, vehicles=50, clock=clock)
>>> site = world.fleet.site_by_number(10)
>>> noon = clock.now()
>>> state = world.charging.state(site, noon)
>>> f"{noon:%a %H:%M}", state.plugged_in, state.percent, state.smart
('Mon 12:00', False, 74, True)
>>> def tonight():
...     later = noon + timedelta(days=1)
...     episode = next(world.charging.episodes(site, after=noon, now=later))
...     usage = world.charging.usage(episode, 0, later)
...     mode = episode.periods[0].mode.name
...     return f"{episode.start:%H:%M}-{episode.end:%H:%M}", mode, usage.wh, usage.cost
>>> tonight()  # watt-hours, and pence
('19:38-08:06', 'SMART', 10435, 94)
>>> world.record_change(world.fleet.vehicle(site), "smart", False)
>>> tonight()  # the same energy, charged at once on arrival
('19:38-08:06', 'UNMANAGED_HOME', 10435, 303)

To add a family: write a module in ``resources/`` with a function that opens its tables
(`World.table`, `World.owned_table`) and with its ``ROUTES``; list the function in
``resources/_seed_world.py`` and the routes in ``resources/_operations.py``.

To add a rule that depends on charging: read `world.charging` at the instant in question. Store
only what a request says, in its table or as a change, and never a result.
"""

from ev_energy.simulator._simulator import SeenRequest, Simulator
from ev_energy.simulator.clock._clock import Clock
from ev_energy.simulator.resources.charging_sessions._unreliable_data import UnreliableData

__all__ = ["Clock", "SeenRequest", "Simulator", "UnreliableData"]
