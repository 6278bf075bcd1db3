# SPDX-License-Identifier: BSD-3-Clause
# bash completion for chaos: commands, options out of the help texts, VMs out of the daemon.
_chaos() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words
	if [ "$COMP_CWORD" -eq 1 ]; then
		words=$(chaos help 2>/dev/null | sed -n 's/^  \([a-z-]*\) .*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
	fi
	case $prev in
	-t | --type)
		if [ "$command" = create ] || [ "$command" = run ]; then
			mapfile -t COMPREPLY < <(compgen -W "pv pvh" -- "$cur")
			return
		fi
		;;
	--from)
		words=$(chaos snapshots --json 2>/dev/null | sed -n 's/.*"name": "\(.*\)",*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
		;;
	-k | --kernel | -r | --ramdisk)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		words=$(chaos help "$command" 2>/dev/null | grep -o -- '--[a-z-]*' | sort -u)
		mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$cur")
		return
	fi
	case $command in
	create | run)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	info | console | rm | wait)
		mapfile -t COMPREPLY < <(compgen -W "$(chaos list --all --quiet 2>/dev/null)" -- "$cur")
		;;
	save | restore)
		if [ "$command" = restore ] && [[ ${COMP_WORDS[COMP_CWORD - 1]} =~ ^(-d|--disk)$ ]]; then
			mapfile -t COMPREPLY < <(compgen -W "keep readonly none copy" -- "$cur")
		elif [ "$command" = save ] && [ "$COMP_CWORD" -eq 2 ]; then
			mapfile -t COMPREPLY < <(compgen -W "$(chaos list --own --quiet 2>/dev/null)" -- "$cur")
		else
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		;;
	branch)
		words=$(chaos list --own --quiet 2>/dev/null)
		[[ $prev =~ ^(-d|--disk)$ ]] && words="keep readonly none copy"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	migrate)
		case ${COMP_WORDS[COMP_CWORD - 1]} in
		-d | --disk) words="keep readonly none copy" ;;
		-u | --unix | -c | --command)
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		-T | --timeout | -t | --tcp) words= ;;
		*) # the VM comes first; hosts are not known
			words=$(chaos list --own --quiet 2>/dev/null)
			for ((i = 2; i < COMP_CWORD; i++)); do
				[[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i - 1]} =~ ^(-[dcuTt]|--(disk|unix|command|timeout|tcp))$ ]] || words=
			done
			;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	migrate-receive)
		if [[ ${COMP_WORDS[COMP_CWORD - 1]} =~ ^(-d|--disk)$ ]]; then
			mapfile -t COMPREPLY < <(compgen -W "keep readonly none copy" -- "$cur")
		fi
		;;
	wake)
		if [[ $prev =~ ^(-d|--disk)$ ]]; then
			words=keep
		else
			words=$(chaos list --json 2>/dev/null | awk -F'"' '$2 == "name" { name = $4 } $2 == "state" && $4 == "asleep" { print name }')
		fi
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	rollback)
		if [[ $prev =~ ^(-d|--disk)$ ]]; then
			words=keep
		elif [ "$COMP_CWORD" -eq 2 ]; then
			words=$(chaos list --own --quiet 2>/dev/null)
		else
			words=$(chaos snapshots --json 2>/dev/null | sed -n 's/.*"name": "\(.*\)",*/\1/p')
		fi
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	set)
		words="memory= cpu_weight= cap="
		[ "$COMP_CWORD" -gt 2 ] || words=$(chaos list --own --quiet 2>/dev/null)
		[ "$COMP_CWORD" -eq 2 ] || compopt -o nospace 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	snapshot)
		words=$(chaos list --own --quiet 2>/dev/null)
		[ "$COMP_CWORD" -gt 2 ] || words="$words rm pack unpack"
		case $COMP_CWORD:${COMP_WORDS[2]} in
		2:*) ;;
		3:pack | *:rm) words=$(chaos snapshots --json 2>/dev/null | sed -n 's/.*"name": "\(.*\)",*/\1/p') ;;
		3:unpack | 4:pack)
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		*) words= ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	network-detach | block-detach)
		words=$(chaos list --own --quiet 2>/dev/null)
		[ "$COMP_CWORD" -eq 2 ] ||
			words=$(chaos "${command%detach}list" --json "${COMP_WORDS[2]}" 2>/dev/null | sed -n 's/.*"id": "\(.*\)",*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	network-attach)
		words=$(chaos list --own --quiet 2>/dev/null)
		if [ "$COMP_CWORD" -gt 2 ]; then
			compopt -o nospace 2>/dev/null
			words="bridge= mac= vifname= mtu= rate= ip= userspace="
		fi
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	block-attach)
		if [ "$COMP_CWORD" -eq 2 ]; then
			mapfile -t COMPREPLY < <(compgen -W "$(chaos list --own --quiet 2>/dev/null)" -- "$cur")
		else
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		;;
	exec) # a VM, then a command that only the VM knows
		words=$(chaos list --own --quiet 2>/dev/null)
		for ((i = 2; i < COMP_CWORD; i++)); do
			[[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i - 1]} =~ ^(-[ewuT]|--(env|workdir|user|timeout))$ ]] || words=
		done
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	cp)
		compopt -o filenames -o nospace 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -S : -W "$(chaos list --own --quiet 2>/dev/null)" -- "$cur" && compgen -f -- "$cur" || compgen -f -- "$cur")
		;;
	help)
		words=$(chaos help 2>/dev/null | sed -n 's/^  \([a-z-]*\) .*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	list | snapshots | version | events | host | metrics | top) ;;
	image)
		case $prev in
		image) words="import list inspect rm" ;;
		inspect | rm) words=$(chaos image --json 2>/dev/null | sed -n 's/.*"name": "\(.*\)",*/\1/p') ;;
		*) words= ;;
		esac
		compopt -o filenames 2>/dev/null
		if [ -n "$words" ]; then
			mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		;;
	pool)
		words=set
		if [ "$COMP_CWORD" -gt 2 ]; then
			compopt -o nospace 2>/dev/null
			words=$(chaos help pool 2>/dev/null | sed -n 's/^  \([a-z]*=\).*/\1/p')
		fi
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$(chaos list --own --quiet 2>/dev/null)" -- "$cur")
		;;
	esac
}
complete -F _chaos chaos
