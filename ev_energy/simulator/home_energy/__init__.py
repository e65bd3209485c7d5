"""The energy of homes in closed form: sun, load, batteries, and what each meter shows."""
