# Completion of cnsenter for bash, which asks cnsenter itself at each TAB: cnsenter completions --help

_cnsenter() {
    local line=${COMP_LINE:0:COMP_POINT} words=() starts=() word i
    # bash has split the line at = and : as well as at blanks.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${line%%[![:space:]]*}
        line=${line#"$word"}
        if [[ -n $word || $i == 0 ]]; then
            words+=('')
            starts+=("$i")
        fi
        word=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && word=$line
        words[${#words[@]} - 1]+=$word
        line=${line#"$word"}
    done

    local current=${words[${#words[@]} - 1]} lines=() kind number
    mapfile -t lines < <(command cnsenter completions bash -- "${words[@]:1}" 2>/dev/null)
    read -r kind number <<<"${lines[0]}"
    # What stands before the part that readline replaces.
    local kept=${current%"$2"}
    local plain=${kept//[\"\'\\]/}
    COMPREPLY=()
    case $kind in
    program)
        if declare -F _comp_command_offset >/dev/null; then
            _comp_command_offset "${starts[number]}"
        elif declare -F _command_offset >/dev/null; then
            _command_offset "${starts[number]}"
        elif ((number == ${#words[@]} - 1)); then
            mapfile -t COMPREPLY < <(compgen -c -- "$2")
        else
            compopt -o bashdefault -o default
        fi
        ;;
    files | folders)
        # A value that is attached without a sign that readline stops at.
        number=$((number - ${#kept}))
        if ((number > 0)); then
            local only=-f
            [[ $kind == folders ]] && only=-d
            compopt -o filenames -o nospace
            mapfile -t COMPREPLY < <(compgen "$only" -P "${2:0:number}" -- "${2:number}")
        elif [[ $kind == files ]]; then
            compopt -o bashdefault -o default
        else
            compopt -o dirnames
        fi
        ;;
    words)
        # A name is handed on as the word that means it, and is never evaluated.
        for word in "${lines[@]:1}"; do
            word=${word%%$'\t'*}
            printf -v word %q "${word:${#plain}}"
            COMPREPLY+=("$word")
        done
        [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[/=] ]] && compopt -o nospace
        ;;
    esac
} && complete -F _cnsenter cnsenter
