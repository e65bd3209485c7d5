#!/usr/bin/env bash
# Compare a description of the API with the installed SDK. While they differ, one issue is open.
#
# Usage: watch.sh DESCRIPTION [FILE_OF_CHANGES_TO_IGNORE]
#
# It needs gh, with a token that may write issues in GH_TOKEN.
set -euo pipefail

description=$1
label=api-drift
options=()
if [[ -n ${2:-} ]]; then options=(--ignore "$2"); fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
report=$folder/report.txt
body=$folder/body.md

status=0
python -m ev_energy contract "$description" "${options[@]}" > "$report" || status=$?

case $status in
  0) title="" ;;
  2) title="The ev.energy API has changed" ;;
  3) title="The ev.energy API has changed: programs may break" ;;
  *) title="" report=/dev/null ;;
esac
# A version of the SDK without the command ends with 2 too, but prints no report.
if [[ ! -s $report ]]; then
  echo "the descriptions were not compared (status $status)" >&2
  exit 1
fi
cat "$report"

# Not in `< <(...)`, where a failure of gh would look like a list without issues.
numbers=$(gh issue list --label "$label" --state open --limit 100 --json number --jq 'sort_by(.number)[].number')
issues=()
if [[ -n $numbers ]]; then mapfile -t issues <<< "$numbers"; fi

if [[ -z $title ]]; then
  for number in "${issues[@]}"; do
    gh issue close "$number" --comment "$(cat "$report")"
  done
  exit 0
fi

{
  echo "[What to do with this report](https://ev-energy.example/docs/drift/)"
  echo
  # A fence of tildes, as the report has backquotes. An issue has at most 65,536 characters.
  echo "~~~~~~text"
  if [[ $(wc -c < "$report") -le 60000 ]]; then
    cat "$report"
    echo "~~~~~~"
  else
    # The last line is cut off somewhere, perhaps within a character.
    head -c 60000 "$report" | sed '$d'
    echo "~~~~~~"
    echo
    echo "The report is too long for an issue: this is its beginning. The log of the run has all of it."
  fi
} > "$body"

if [[ ${#issues[@]} -eq 0 ]]; then
  gh label create "$label" --force --description "The API differs from what the SDK was made for"
  gh issue create --title "$title" --label "$label" --body-file "$body"
  exit 0
fi

first=${issues[0]}
for number in "${issues[@]:1}"; do
  gh issue close "$number" --reason "not planned" --comment "The report is in #$first."
done
current=$(gh issue view "$first" --json body --jq .body)
if [[ ${current//$'\r'/} != "$(cat "$body")" ]]; then
  gh issue edit "$first" --title "$title" --body-file "$body"
  gh issue comment "$first" --body "The report has changed."
fi
