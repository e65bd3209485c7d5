"""What the API's description calls its operations, for those that look one up there.

The verb and the words of the path, with dashes between them. These do not follow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_IRREGULAR: Final = """
get-root
  /
get-users-user_id-payout-method
  /users/{user_id}/payout_method
patch-users-user_id-payout-method
  /users/{user_id}/payout_method
delete-users-user_id-payout-method
  /users/{user_id}/payout_method
get-evses-evse_id-status_logs-timestamp
  /evses/{evse_id}/status_logs/{sampled_at}
get-evses-evse_id-command_logs-timestamp
  /evses/{evse_id}/command_logs/{logged_at}
get-evses-evse_id-error_logs-timestamp
  /evses/{evse_id}/error_logs/{sampled_at}
get-evses-evse_id-ocpp_logs-timestamp
  /evses/{evse_id}/ocpp_logs/{sampled_at}
get-ct-clamps
  /ct_clamps
get-ct-clamps-ct_clamp_id
  /ct_clamps/{ct_clamp_id}
get-ct-clamps-ct_clamp_id-logs
  /ct_clamps/{ct_clamp_id}/logs
get-ct-clamps-ct_clamp_id-logs-sampled_at
  /ct_clamps/{ct_clamp_id}/logs/{sampled_at}
patch-vehicles
  /vehicles/{vehicle_id}
delete-vehicles
  /vehicles/{vehicle_id}
get-vehicles-vehicle_id-status_logs-timestamp
  /vehicles/{vehicle_id}/status_logs/{sampled_at}
get-vehicles-vehicle_id-error_logs-timestamp
  /vehicles/{vehicle_id}/error_logs/{logged_at}
get-vehicles-vehicle_id-location_logs-timestamp
  /vehicles/{vehicle_id}/location_logs/{sampled_at}
get-vehicles-vehicle_id-command_logs-timestamp
  /vehicles/{vehicle_id}/command_logs/{logged_at}
get-suppliers-suppler_id
  /suppliers/{supplier_id}
get-tariff-prices
  /tariffs/{tariff_id}/prices
get-solar-arrays
  /solar_arrays
post-solar-arrays
  /solar_arrays
get-solar-arrays-solar_array_id
  /solar_arrays/{solar_array_id}
get-solar-forecasts
  /solar_forecasts
get-solar-forecasts-solar_forecast_id
  /solar_forecasts/{solar_forecast_id}
get-solar-forecasts-solar_forecast_id-forecast_logs
  /solar_forecasts/{solar_forecast_id}/forecast_logs
get-solar-forecasts-solar_forecast_id-forecast_logs-valid_period_start
  /solar_forecasts/{solar_forecast_id}/forecast_logs/{valid_period_start}
get-subscription-offerings-offering_id
  /subscription_offerings/{offering_id}
get-support_ticket_stats-sankey
  /support-ticket-stats/sankey
get-support_ticket_stats-volume
  /support-ticket-stats/volume
get-support_ticket_stats-resolution
  /support-ticket-stats/resolution
get-support_ticket_stats-status
  /support-ticket-stats/status
get-support_ticket_stats-priority
  /support-ticket-stats/priority
get-support_ticket_stats-source
  /support-ticket-stats/source
get-support_ticket_stats-top-categories
  /support-ticket-stats/top-categories
get-home_batteries-home_battery_id-status_logs-timestamp
  /home_batteries/{home_battery_id}/status_logs/{sampled_at}
get-boundary_meters-boundary_meter_id-status_logs-timestamp
  /boundary_meters/{boundary_meter_id}/status_logs/{sampled_at}
get-rebate_types-rebate_evidence_type_id
  /rebate_evidence_types/{rebate_evidence_type_id}
get-rebates
  /user_rebates
post-rebates
  /user_rebates
get-rebates-application_id
  /user_rebates/{user_rebate_id}
patch-user_rebates-application_id
  /user_rebates/{user_rebate_id}
post-user_rebates-application_id-:submit
  /user_rebates/{user_rebate_id}:submit
post-rebate-evidence_files:start_upload
  /rebate_evidence_files:start_upload
post-rebate-evidence_files-evidence_file_id-:finish_upload
  /rebate_evidence_files/{rebate_evidence_file_id}:finish_upload
get-user_rebates-application_id-evidence_files
  /rebate_evidence_files
get-user_rebates-application_id-evidence_files-evidence_file_id
  /rebate_evidence_files/{rebate_evidence_file_id}
post-programs-user-verification
  /programs/{program_id}/user_verification
get-programs-program_id-participation_agreement_versions-id
  /programs/{program_id}/participation_agreement_versions/{participation_agreement_version_id}
post-programs-program_id-participation_agreement_versions-id-accept
  /programs/{program_id}/participation_agreement_versions/{participation_agreement_version_id}/accept
post-programs-post-enrollment-verification
  /programs/{program_id}/post-enrollment-verification
get-cpms_providers-provider_id
  /cpms_providers/{cpms_provider_id}
get-dispatch_coordinators-dispatch_coordinator_id-dispatch_logs-timestamp
  /dispatch_coordinators/{dispatch_coordinator_id}/dispatch_logs/{logged_at}
"""

_WORDS: Final = _IRREGULAR.split()
#: By verb and path.
IRREGULAR: Final[Mapping[tuple[str, str], str]] = {
    (name.partition("-")[0].upper(), path): name
    for name, path in zip(_WORDS[::2], _WORDS[1::2], strict=True)
}


def operation_id(method: str, path: str) -> str:
    """The ``operationId`` of an operation."""
    words = path.strip("/").replace("{", "").replace("}", "").replace("/", "-")
    return IRREGULAR.get((method, path), f"{method.lower()}-{words}")
