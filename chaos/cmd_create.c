/* SPDX-License-Identifier: BSD-3-Clause */
/* create: collects text and open files, and leaves all parsing to the daemon. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/create.h"

#define COUNT_MAX 32000u

const struct option create_options[] = {
	{"kernel", required_argument, NULL, 'k'},
	{"ramdisk", required_argument, NULL, 'r'},
	{"memory", required_argument, NULL, 'm'},
	{"type", required_argument, NULL, 't'},
	{"name", required_argument, NULL, 'n'},
	{"vcpus", required_argument, NULL, 'v'},
	{"cmdline", required_argument, NULL, 'c'},
	{"set", required_argument, NULL, CREATE_SET},
	{"vif", required_argument, NULL, CREATE_VIF},
	{"disk", required_argument, NULL, CREATE_DISK},
	{"ignore", required_argument, NULL, CREATE_IGNORE},
	{"xl", no_argument, NULL, CREATE_XL},
	{"paused", no_argument, NULL, 'p'},
	{"ready", no_argument, NULL, 'w'},
	{"no-wait-devices", no_argument, NULL, CREATE_NO_WAIT},
	{"console", no_argument, NULL, 'C'},
	{"timings", no_argument, NULL, 'T'},
	{"quiet", no_argument, NULL, 'q'},
	{"json", no_argument, NULL, 'j'},
	{"interactive", no_argument, NULL, 'i'},
	{"rm", no_argument, NULL, CREATE_RM},
	{"count", required_argument, NULL, CREATE_COUNT},
	{"from", required_argument, NULL, CREATE_FROM},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

void create_add_set(struct create_args *a, const char *key, const char *value)
{
	char *text;

	if (a->nset == SETS_MAX || asprintf(&text, "%s%s%s", key, *key ? "=" : "", value) < 0) {
		(void)fprintf(stderr, "chaos: too many options\n");
		exit(EXIT_USAGE);
	}
	a->set[a->nset++] = text;
}

void create_args_clear(struct create_args *a)
{
	while (a->nset)
		free(a->set[--a->nset]);
	free(a->config);
	a->config = NULL;
}

void create_read_option(struct create_args *a, int c)
{
	char *end = NULL;

	switch (c) {
	case 'k':
		a->kernel = optarg;
		break;
	case 'r':
		a->ramdisk = optarg;
		break;
	case 'm':
		create_add_set(a, "memory", optarg);
		break;
	case 't':
		create_add_set(a, "type", optarg);
		break;
	case 'n':
		a->name = optarg;
		break;
	case 'v':
		create_add_set(a, "vcpus", optarg);
		break;
	case 'c':
		create_add_set(a, "cmdline", optarg);
		break;
	case CREATE_SET:
		create_add_set(a, "", optarg);
		break;
	case CREATE_VIF:
		create_add_set(a, "vif", optarg);
		break;
	case CREATE_DISK:
		create_add_set(a, "disk", optarg);
		break;
	case CREATE_IGNORE:
		if (a->nignore < SETS_MAX)
			a->ignore[a->nignore++] = optarg;
		break;
	case CREATE_XL:
		a->flags |= PROTO_F_XL;
		break;
	case 'p':
		a->flags |= PROTO_F_PAUSED;
		break;
	case 'w':
		a->flags |= PROTO_F_READY;
		break;
	case CREATE_NO_WAIT:
		a->flags |= PROTO_F_NO_WAIT_DEVICES;
		break;
	case 'C':
		a->console = true;
		break;
	case 'T':
		a->flags |= PROTO_F_TIMINGS;
		break;
	case 'q':
		a->quiet = true;
		break;
	case 'j':
		a->json = true;
		break;
	case 'i':
		a->interactive = true;
		break;
	case CREATE_FROM:
		a->from = optarg;
		break;
	case CREATE_RM:
		a->rm = true;
		break;
	case CREATE_COUNT:
		a->count = (uint32_t)strtoul(optarg, &end, 10);
		if (*end != '\0' || a->count < 1 || a->count > COUNT_MAX) {
			(void)fprintf(stderr, "chaos create: count \"%s\": 1 to %u\n", optarg,
				      COUNT_MAX);
			exit(EXIT_USAGE);
		}
		break;
	default:
		break;
	}
}

/* A copy of a snapshot has the snapshot's configuration; only its disks can be chosen, by
 * --disk. */
static int check_from(struct create_args *a, struct err *e)
{
	bool other = a->file || a->kernel || a->ramdisk || a->noverride || a->nignore ||
		     (a->flags & ~(PROTO_F_PAUSED | PROTO_F_READY | PROTO_F_TIMINGS));
	int rc = 0;

	for (int i = 0; i < a->nset && rc == 0; i++) {
		bool disk = strncmp(a->set[i], "disk=", 5) == 0;
		bool vif = strncmp(a->set[i], "vif=", 4) == 0;

		other = other || (!disk && !vif) || (vif && a->from_vif);
		a->from_vif = vif ? a->set[i] : a->from_vif;
		if (disk)
			rc = disks_flag(a->set[i] + 5, &a->flags, e);
	}
	if (other)
		return err_set(e, EINVAL,
			       "--from makes a copy of a snapshot: with it only --name, --count, "
			       "--disk, --vif (once: its mac and ip), "
			       "--paused, --ready, --console, "
			       "--timings, --quiet and --json can be given");
	return rc;
}

/* Checks combinations of options, and that there is something to create. */
static int check_args(const struct command *cmd, struct create_args *a)
{
	struct err e = {0};

	if (!a->from && !a->file && !a->kernel && a->noverride == 0 && a->nset == 0)
		return usage(cmd, "give a configuration file, --kernel or --from");
	if (!a->from || check_from(a, &e) == 0)
		return EXIT_DONE;
	return usage(cmd, "%s", err_msg(&e));
}

static int run_create(const struct command *cmd, int argc, char **argv)
{
	struct create_args a = {0};
	struct client client = {.fd = -1};
	struct chaos_vm v;
	struct err e = {0};
	bool ended;
	int rc;
	int c;

	while ((c = next_option(cmd, argc, argv, ":k:r:m:t:n:v:c:pwCTqjh", create_options)) != -1) {
		if (c == 'i' || c == CREATE_RM)
			return usage(cmd, "option \"%s\" belongs to \"chaos run\"",
				     argv[optind - 1]);
		create_read_option(&a, c);
	}
	if (optind < argc && !strchr(argv[optind], '='))
		a.file = argv[optind++];
	a.override = argv + optind;
	a.noverride = argc - optind;
	for (int i = 0; i < a.noverride; i++)
		if (!strchr(a.override[i], '='))
			return usage(cmd, "\"%s\" is not of the form key=value", a.override[i]);
	if (check_args(cmd, &a) != EXIT_DONE)
		return EXIT_USAGE;
	if (a.count && (a.console || (a.flags & PROTO_F_TIMINGS)))
		return usage(cmd, "--count cannot be combined with --console or --timings");
	if (a.count && a.file && !a.name)
		return usage(cmd, "--count with a file needs --name: each VM needs its own name");
	if (a.count) {
		rc = create_many(&a);
		create_args_clear(&a);
		return rc;
	}
	rc = create_one(&a, &client, &v);
	create_args_clear(&a);
	if (rc == EXIT_DONE && a.console) {
		rc = stream_console(&client, v.uuid, PROTO_F_LOG | PROTO_F_FOLLOW | PROTO_F_INPUT,
				    &ended, &v, &e);
		rc = rc < 0 ? failed(&e) : EXIT_DONE;
	}
	client_close(&client);
	return rc;
}

static const char create_help[] =
	"Creates and starts a VM from a file (chaos.cfg(5), xl.cfg(5); \"-\": standard input), or "
	"from\n"
	"options alone. KEY=VALUE sets a key of the file; a text needs no quotes.\n"
	"Example: chaos create -k /usr/lib/chaos/guests/echo -m 4 -n web\n"
	"\n"
	"  -k, --kernel IMAGE      the image to boot, if there is no file\n"
	"  -r, --ramdisk FILE\n"
	"  -m, --memory SIZE       MiB, or a number with K, M or G\n"
	"  -t, --type TYPE         pv (default) or pvh\n"
	"  -n, --name NAME\n"
	"  -v, --vcpus N\n"
	"  -c, --cmdline TEXT\n"
	"      --vif SPEC          add a network interface, as in vif=[]: "
	"bridge=xenbr0,ip=10.0.0.2\n"
	"      --disk SPEC         add a disk, as in disk=[]: /dev/vg/web,raw,xvda,rw\n"
	"      --set KEY=TEXT      set any other key; the text is taken literally\n"
	"      --ignore KEY        ignore a key that chaos does not support\n"
	"      --xl                ignore unknown keys with a warning, as xl does\n"
	"      --from NAME         make a copy of a snapshot (chaos snapshot)\n"
	"      --count N           create N VMs, named NAME-1, NAME-2, ...\n"
	"  -p, --paused            create it paused; chaos unpause runs it\n"
	"  -w, --ready             wait until the guest reports that it is ready (noxs guests)\n"
	"      --no-wait-devices   run it even if backends of its devices are missing\n"
	"  -C, --console           attach to its console\n"
	"  -T, --timings           print the time of each step, in microseconds\n"
	"  -q, --quiet             print errors only\n" HELP_JSON;

const struct command cmd_create = {
	.name = "create",
	.args = "[OPTION]... [FILE] [key=value]...",
	.what = "create and start a VM",
	.help = create_help,
	.run = run_create,
};
