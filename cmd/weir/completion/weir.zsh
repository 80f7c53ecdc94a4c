#compdef weir
# Completion of weir for zsh. Load it with: source <(weir completion zsh)
# or write it to a file _weir in a directory of $fpath.

_weir() {
    local manner line typed
    local -a lines texts shown suffix
    typed="${(j: :)words[1,CURRENT-1]} ${IPREFIX}${QIPREFIX}${PREFIX}"
    lines=("${(@f)$("${(Q)words[1]}" __complete-line zsh "$typed" 2>/dev/null)}")
    manner=$lines[1]
    case $manner in
    files) _files; return ;;
    directories) _files -/; return ;;
    continue) suffix=(-S '') ;;
    esac
    for line in "${(@)lines[2,-1]}"; do
        texts+=("${line%%$'\t'*}")
        shown+=("${line//$'\t'/  -- }")
    done
    (( $#texts )) && compadd -U -V weir "${suffix[@]}" -l -d shown -- "${(@)texts}"
}

if [[ $funcstack[1] == _weir ]]; then
    _weir "$@"
else
    compdef _weir weir
fi
