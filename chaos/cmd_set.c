/* SPDX-License-Identifier: BSD-3-Clause */
/* set: memory, weight and cap of a VM that runs. */
#include "chaos/cli.h"

static int set(const char *vm, char *const *settings, int n, struct client *c, struct err *e)
{
	struct wire_out w;
	struct wire_in in;
	int rc = client_open(c, NULL, e);

	if (rc < 0)
		return rc;
	client_begin(c, &w, PROTO_REQ_SET);
	wire_text(&w, PROTO_WHAT, vm);
	for (int i = 0; i < n; i++)
		wire_text(&w, PROTO_SET, settings[i]);
	rc = client_send(c, &w, NULL, 0, e);
	return rc < 0 ? rc : client_finish(c, &in, NULL, NULL, e);
}

static int run_set(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct client c = {.fd = -1};
	struct err e = {0};
	int rc;

	while (next_option(cmd, argc, argv, ":h", longs) != -1)
		;
	if (argc - optind < 2)
		return usage(cmd, "name a VM and at least one key=value");
	rc = set(argv[optind], argv + optind + 1, argc - optind - 1, &c, &e);
	return conclude(&c, NULL, rc < 0 ? failed(&e) : EXIT_DONE);
}

static const char set_help[] =
	"  memory=SIZE             target of Linux's balloon driver, up to maxmem: MiB, or with K, "
	"M or G\n"
	"  cpu_weight=N            scheduling weight, 1 to 65535\n"
	"  cap=N                   limit of CPU time, percent of one CPU; 0: no limit\n";

const struct command cmd_set = {
	.name = "set",
	.args = "VM KEY=VALUE...",
	.what = "change memory, CPU weight or cap of a VM",
	.help = set_help,
	.run = run_set,
};
