/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos: the table of commands and their help. */
#include <stdio.h>
#include <string.h>

#include "chaos/cli.h"

#define HELP_JSON "  -j, --json              the answer as JSON\n"

static const char create_help[] =
	"Creates and starts a VM from an xl.cfg file (\"-\": standard input), or from options "
	"alone.\n"
	"key=value sets a key of the file, in its syntax; a text needs no quotes.\n"
	"\n"
	"  -k, --kernel IMAGE      what to boot, when there is no file\n"
	"  -r, --ramdisk FILE\n"
	"  -m, --memory SIZE       MiB, or a number with K, M or G\n"
	"  -t, --type TYPE         pv (default) or pvh\n"
	"  -n, --name NAME\n"
	"  -v, --vcpus N\n"
	"  -c, --cmdline TEXT\n"
	"      --vif SPEC          a network interface more, as in vif=[]: "
	"bridge=xenbr0,ip=10.0.0.2\n"
	"      --disk SPEC         a disk more, as in disk=[]: /dev/vg/web,raw,xvda,rw\n"
	"      --set KEY=TEXT      any other key, its text taken as it is\n"
	"      --ignore KEY        go on without a key that chaos does not support\n"
	"      --xl                pass over keys that are unknown, as xl does, with a warning\n"
	"      --count N           so many of them, named NAME-1, NAME-2, ...\n"
	"  -p, --paused            do not let it run yet (chaos unpause does)\n"
	"  -w, --ready             wait until the guest says that it is ready (noxs guests)\n"
	"      --no-wait-devices   run without devices whose backends do not come\n"
	"  -C, --console           attach to its console\n"
	"  -T, --timings           where the time went, in microseconds\n"
	"  -q, --quiet             print nothing but errors\n" HELP_JSON;

static const char run_help[] =
	"Creates a VM, shows its console until it ends, and ends with its exit code: 134 when it\n"
	"crashed, 137 when it was destroyed. The words behind -- are its command line.\n"
	"\n"
	"  -m, --memory SIZE       MiB (32), or a number with K, M or G\n"
	"  -r, --ramdisk FILE\n"
	"  -t, --type TYPE         pv (default) or pvh\n"
	"  -n, --name NAME\n"
	"  -v, --vcpus N\n"
	"      --vif SPEC          a network interface more; an empty one has all defaults\n"
	"      --disk SPEC         a disk more\n"
	"      --set KEY=TEXT      any other key of xl.cfg\n"
	"      --no-wait-devices   run without devices whose backends do not come\n"
	"  -i, --interactive       pass the terminal's input on; ^] detaches\n"
	"      --rm                forget the VM when it has ended\n";

static const char list_help[] = "  -a, --all               also VMs that have ended\n"
				"  -o, --own               no domains of other toolstacks\n"
				"  -q, --quiet             names only\n" HELP_JSON;

static const char console_help[] =
	"Attaches to a VM's console; ^] detaches. A VM that has ended still has its log.\n"
	"\n"
	"  -l, --log               print what is kept of its output, from the beginning\n"
	"  -f, --follow            with --log: go on with what comes, until the VM ends\n";

static const char end_help[] =
	"  -w, --wait              until it has ended\n"
	"  -t, --timeout SECONDS   with --wait: give up then (exit status 1)\n" HELP_JSON;

static const char wait_help[] =
	"Waits until the VMs have ended and prints name, reason and exit code of each.\n"
	"\n"
	"  -r, --ready             until they are ready, or have ended\n"
	"  -t, --timeout SECONDS   give up then (exit status 1)\n" HELP_JSON;

static const char events_help[] =
	"Shows what happens to VMs, from now on until ^C: created, started, ready, paused, "
	"unpaused,\n"
	"renamed, exited, crashed, preserved, destroyed, removed; and pool-low.\n"
	"\n"
	"  -s, --since ID          begin behind the event of that number (--json shows it)\n"
	"  -j, --json              one JSON object a line\n";

static const char image_help[] =
	"Images that chaosd keeps: \"image:NAME\" is a kernel like a path. Without words, lists "
	"them.\n"
	"\n"
	"  import FILE [NAME]      copy and check FILE; NAME is its own by default\n"
	"  list                    show all\n"
	"  inspect NAME...         show all about them\n"
	"  rm NAME...              forget them\n" HELP_JSON;

static const char top_help[] =
	"Shows VMs with what they use, most CPU first, again and again until ^C or q.\n"
	"\n"
	"  -d, --delay SECONDS     between two looks (1)\n"
	"  -n, --iterations N      end after so many\n"
	"  -b, --batch             no terminal control: one table after the other\n";

static const char pool_help[] =
	"Shows the pool: domains made ahead (\"shells\"), by flavor. \"set\" adds or changes a "
	"flavor;\n"
	"count=0 ends it. For example: chaos pool set type=pvh memory=4 count=8\n"
	"\n" HELP_JSON "\n"
	"Words of a flavor:\n"
	"  type=pv|pvh             pv if not given\n"
	"  memory=SIZE             MiB, or a number with K, M or G\n"
	"  vcpus=N                 1 if not given\n"
	"  count=N                 shells to keep ready; the same as low=N high=N\n"
	"  low=N                   at least so many\n"
	"  high=N                  at most so many; demand decides between low and high\n"
	"  for=noxs|linux          for any image of that kind; noxs if not given\n"
	"  image=PATH              with this image loaded; or image:NAME\n"
	"  ramdisk=PATH            of a Linux image\n"
	"  vifs=N                  network interfaces, connected ahead (noxs)\n"
	"  vbds=N                  disks, connected when a VM takes the shell (noxs)\n"
	"  bridge=NAME             the bridge of the interfaces\n"
	"  backend=kernel|user     what serves the interfaces; kernel if not given\n";

static const char vif_attach_help[] = "Gives a VM a network interface; what it says are keys as in "
				      "vif=[] of xl.cfg: mac=, bridge=,\n"
				      "rate=, mtu=, ... (chaos.cfg(5)). Prints its number.\n"
				      "\n" HELP_JSON;

static const char disk_attach_help[] =
	"Gives a VM a disk; what it says is as in disk=[] of xl.cfg: /dev/vg/data,raw,xvdb,rw, or\n"
	"vdev=xvdb access=ro target=FILE (chaos.cfg(5)). Prints what the guest calls it.\n"
	"\n" HELP_JSON;

static const char detach_help[] =
	"  -f, --force             take it away, whether the guest lets go or not\n" HELP_JSON;

static const char json_help[] = HELP_JSON;
static const char rm_help[] = "  -f, --force             destroy a VM that still lives\n" HELP_JSON;

static int cmd_help(const struct command *cmd, int argc, char **argv);

static const struct command commands[] = {
	{"create", "[OPTION]... [FILE] [key=value]...", "create and start a VM", create_help,
	 cmd_create},
	{"run", "[OPTION]... IMAGE [-- WORD...]",
	 "create a VM, show its console, end with its code", run_help, cmd_run},
	{"list", "[OPTION]...", "show VMs", list_help, cmd_list},
	{"info", "[OPTION]... VM...", "show all about VMs", json_help, cmd_info},
	{"console", "[OPTION]... VM", "attach to a console, or show its log", console_help,
	 cmd_console},
	{"pause", "VM...", "stop VMs from executing", json_help, cmd_simple},
	{"unpause", "VM...", "let paused VMs execute", json_help, cmd_simple},
	{"rename", "VM NAME", "give a VM another name", json_help, cmd_rename},
	{"shutdown", "[OPTION]... VM...", "ask guests to power off", end_help, cmd_end},
	{"reboot", "[OPTION]... VM...", "ask guests to reboot", end_help, cmd_end},
	{"destroy", "VM...", "end VMs at once", json_help, cmd_simple},
	{"rm", "[OPTION]... VM...", "forget VMs that have ended, and their logs", rm_help,
	 cmd_simple},
	{"wait", "[OPTION]... VM...", "wait until VMs have ended", wait_help, cmd_wait},
	{"network-attach", "VM [KEY=VALUE]...", "give a VM a network interface", vif_attach_help,
	 cmd_device},
	{"network-detach", "[OPTION]... VM NUMBER|MAC|INTERFACE...", "take network interfaces away",
	 detach_help, cmd_device},
	{"network-list", "[OPTION]... VM...", "show network interfaces of VMs", json_help,
	 cmd_device},
	{"block-attach", "VM DISK", "give a VM a disk", disk_attach_help, cmd_device},
	{"block-detach", "[OPTION]... VM VDEV...", "take disks away", detach_help, cmd_device},
	{"block-list", "[OPTION]... VM...", "show disks of VMs", json_help, cmd_device},
	{"events", "[OPTION]...", "show what happens to VMs", events_help, cmd_events},
	{"pool", "[OPTION]... [set KEY=VALUE...]", "show and change the pool of domains made ahead",
	 pool_help, cmd_pool},
	{"image", "[OPTION]... [import|list|inspect|rm WORD...]", "keep images in chaosd",
	 image_help, cmd_image},
	{"top", "[OPTION]...", "watch what VMs use", top_help, cmd_top},
	{"host", "[OPTION]...", "show what Xen and chaosd have", json_help, cmd_host},
	{"metrics", "", "counts and times in Prometheus' text form", NULL, cmd_metrics},
	{"version", "[OPTION]...", "versions of chaos, chaosd and Xen", json_help, cmd_version},
	{"help", "[COMMAND]", "this text, or that of a command", NULL, cmd_help},
};
static const unsigned int ncommands = sizeof(commands) / sizeof(commands[0]);

static void print_overview(FILE *to)
{
	(void)fputs("usage: chaos COMMAND [ARGUMENT]...\n\nRuns small Xen VMs. VM is a name, a "
		    "domain id "
		    "or a uuid.\n\n",
		    to);
	for (unsigned int i = 0; i < ncommands; i++)
		(void)fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].what);
	(void)fputs(
		"\n\"chaos help COMMAND\" or \"chaos COMMAND --help\" says more, chaos(1) all.\n",
		to);
}

static const struct command *find_command(const char *name)
{
	for (unsigned int i = 0; i < ncommands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int cmd_help(const struct command *cmd, int argc, char **argv)
{
	const struct command *about;

	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		print_overview(stdout);
		return EXIT_DONE;
	}
	about = find_command(argv[1]);
	if (!about)
		return usage(cmd, "there is no command \"%s\"", argv[1]);
	print_help(about, stdout);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	const struct command *cmd;
	int rc;

	if (argc < 2) {
		print_overview(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_overview(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("chaos %s\n", CHAOS_VERSION);
		return EXIT_DONE;
	}
	cmd = find_command(argv[1]);
	if (!cmd) {
		(void)fprintf(stderr, "chaos: there is no command \"%s\"; see \"chaos help\"\n",
			      argv[1]);
		return EXIT_USAGE;
	}
	opterr = 0;
	rc = cmd->run(cmd, argc - 1, argv + 1);
	if (fflush(stdout) != 0 && rc == EXIT_DONE) {
		perror("chaos: standard output");
		rc = EXIT_FAILED;
	}
	return rc;
}
