# Completion of weir for bash. Load it with: source <(weir completion bash)
# It completes within quotation marks too, such as: weir query -i eth0 -c 'dport in (2<TAB>

_weir() {
    local IFS=$'\n' manner
    local -a lines
    # What is in place of a word: the program splits the line itself, as bash has no word within quotation marks.
    mapfile -t lines < <("${1/#\~/$HOME}" __complete-line bash "${COMP_LINE:0:COMP_POINT}" "${COMP_TYPE:-9}" "$COMP_WORDBREAKS" 2>/dev/null)
    manner=${lines[0]}
    COMPREPLY=("${lines[@]:1}")
    case $manner in
    files) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$2")) ;;
    directories) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$2")) ;;
    continue) compopt -o nospace -o nosort 2>/dev/null ;;
    *) compopt -o nosort 2>/dev/null ;;
    esac
}

complete -F _weir weir
