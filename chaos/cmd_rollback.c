/* SPDX-License-Identifier: BSD-3-Clause */
/* rollback: a VM back to a snapshot. */
#include <errno.h>
#include <string.h>

#include "chaos/cli.h"

static int rollback(const char *vm, const char *snapshot, uint32_t flags, struct wire_in *in,
		    struct client *c, struct err *e)
{
	struct wire_out w;
	int rc = client_open(c, NULL, e);

	if (rc < 0)
		return rc;
	client_begin(c, &w, PROTO_REQ_ROLLBACK);
	wire_text(&w, PROTO_WHAT, vm);
	wire_text(&w, PROTO_NAME, snapshot);
	wire_u32(&w, PROTO_FLAGS, flags);
	rc = client_send(c, &w, NULL, 0, e);
	return rc < 0 ? rc : client_finish(c, in, NULL, NULL, e);
}

static int print_rolled(const struct wire_in *in, bool json)
{
	char name[160] = "";
	json_t *j;

	(void)wire_get_text(in, PROTO_NAME, name, sizeof(name));
	if (!json)
		return printf("%s\n", name) < 0 ? -1 : 0;
	j = json_pack("{s:o, s:f, s:f}", "name", text_json(name), "stopped_us",
		      (double)wire_get_u64(in, PROTO_STOPPED_NS, 0) / 1000, "total_us",
		      (double)wire_get_u64(in, PROTO_TOTAL_NS, 0) / 1000);
	return j ? print_json(j) : -1;
}

static int run_rollback(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"disk", required_argument, NULL, 'd'},
					      {"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct client c = {.fd = -1};
	struct err e = {0};
	struct wire_in in;
	bool json = false;
	uint32_t flags = 0;
	int letter;
	int rc;

	while ((letter = next_option(cmd, argc, argv, ":d:jh", longs)) != -1) {
		json = json || letter == 'j';
		if (letter == 'd' && strcmp(optarg, "keep") == 0)
			flags |= PROTO_F_DISKS_KEEP;
		else if (letter == 'd')
			return usage(cmd, "--disk: \"keep\" is the only choice");
	}
	if (argc - optind != 1 && argc - optind != 2)
		return usage(cmd, "name a VM, and optionally a snapshot");
	rc = rollback(argv[optind], argc - optind == 2 ? argv[optind + 1] : NULL, flags, &in, &c,
		      &e);
	if (rc == 0 && print_rolled(&in, json) < 0)
		rc = err_set(&e, EIO, "cannot write to standard output");
	client_close(&c);
	return rc < 0 ? failed(&e) : EXIT_DONE;
}

static const char rollback_help[] =
	"Sets the memory and vCPUs of a VM back to SNAPSHOT. The default is the snapshot that was "
	"last\n"
	"made of the VM, that it was last set back to, or that it was made from. Name, uuid, MACs "
	"and\n"
	"console stay. Small noxs guests without devices stay in their domain, others get a new "
	"one. Disks are\n"
	"not set back.\n"
	"\n"
	"  -d, --disk keep         set a VM back although it writes a disk, which stays as it "
	"is\n" HELP_JSON;

const struct command cmd_rollback = {
	.name = "rollback",
	.args = "[OPTION]... VM [SNAPSHOT]",
	.what = "set a VM back to a snapshot",
	.help = rollback_help,
	.run = run_rollback,
};
