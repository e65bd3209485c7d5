"""Print a script for the completion of commands, operations, options and values with the tab key.

The script asks ``ev-energy __complete`` at each tab, so it does not change with the API.
"""

from __future__ import annotations

import argparse
from typing import Final

_BASH: Final = r"""
# Load it in ~/.bashrc: eval "$(ev-energy completion bash)"
_ev_energy() {
    local IFS=$'\n' line
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then compopt -o default; else COMPREPLY+=("${line%%$'\t'*}"); fi
    done < <("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *. ]]; then compopt -o nospace; fi
}
complete -F _ev_energy ev-energy
"""
_ZSH: Final = r"""
#compdef ev-energy
# Load it in ~/.zshrc, after compinit: eval "$(ev-energy completion zsh)"
_ev_energy() {
    local line
    local -a whole parts
    for line in "${(@f)$(${words[1]} __complete "${(@)words[2,CURRENT]}" 2> /dev/null)}"; do
        if [[ $line == :files ]]; then _files; return; fi
        line=${line//:/\\:}
        line=${line/$'\t'/:}
        if [[ ${line%%:*} == *. ]]; then parts+=("$line")
        elif [[ -n $line ]]; then whole+=("$line"); fi
    done
    [[ ${#parts} -gt 0 ]] && _describe 'family' parts -S ''
    [[ ${#whole} -gt 0 ]] && _describe 'value' whole
}
compdef _ev_energy ev-energy
"""
_FISH: Final = r"""
# Load it in ~/.config/fish/config.fish: ev-energy completion fish | source
function __ev_energy
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] 2> /dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c ev-energy -f -a '(__ev_energy)'
"""
SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name of the shell."""
    parser.add_argument("shell", choices=SCRIPTS, help="the shell to print the script for")


def run(arguments: argparse.Namespace) -> int:
    """Print the script and return the exit status."""
    shell: str = arguments.shell
    print(SCRIPTS[shell].strip())
    return 0
