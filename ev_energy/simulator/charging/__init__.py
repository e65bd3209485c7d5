"""How cars charge: the charging model of a fleet, in closed form.

`ChargingModel` is the entry point. The modules, each of which imports only those above it:

- `_prices`, `_carbon`: tariffs and carbon intensities by the half-hour.
- `_charging_site`: sites, cars and charge points, and the changes that requests make. The input.
- `_daily_order`: an invertible order of arrivals or departures on each day.
- `_timetable`: the slot of each site on each day, from an arrival at home to the next departure.
- `_driving_profile`: how far a car drives, and in which slots it is plugged in.
- `_episodes`: one episode, with its periods, plans and segments of constant power. A value.
- `_timeline`: the changes of a site, and the baselines from which readings are counted.
- `_session_plan`: builds an episode from its start conditions and the changes during it.
- `_energy_accounting`: the episodes of a site, and its battery and meter readings.
- `_fleet_events`: arrivals of the whole fleet, and the starts and ends of periods, by time.
- `_sub_sessions`: energy, cost, instructions and assessment of a period.
- `_session_ids`: ids that encode the site and the start.
- `_charging_model`: the state of a site, episodes, usage and events at any time.

All times are whole microseconds since 1970 (`Micros`), all energy is in watt-hours or exact
watt-microseconds, prices are in hundredths of a minor unit.
"""
