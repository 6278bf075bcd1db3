/* SPDX-License-Identifier: BSD-3-Clause */
/* branch: makes copies of a VM that continues. */
#include <errno.h>
#include <stdlib.h>

#include "chaos/cli.h"

#define COUNT_MAX 10000u

struct branch_args {
	const char *vm, *name, *vif;
	uint32_t count, flags;
	bool quiet;
	json_t *json; /* NULL: names are printed */
};

static int print_copy(const struct wire_in *in, void *arg)
{
	const struct branch_args *a = arg;
	struct chaos_vm v;

	if (!decode_vm(in, &v))
		return 0;
	if (a->json)
		(void)json_array_append_new(a->json, vm_json(&v));
	else if (!a->quiet && printf("%s\n", v.name) < 0)
		return -EIO;
	return 0;
}

static int branch(struct branch_args *a, struct err *e)
{
	struct client c = {.fd = -1};
	struct wire_out w;
	struct wire_in in;
	char set[512];
	int rc = client_open(&c, NULL, e);

	if (rc < 0)
		return rc;
	client_begin(&c, &w, PROTO_REQ_BRANCH);
	wire_text(&w, PROTO_WHAT, a->vm);
	wire_text(&w, PROTO_NAME, a->name);
	wire_u32(&w, PROTO_COUNT, a->count);
	if (a->vif) {
		(void)snprintf(set, sizeof(set), "vif=%s", a->vif);
		wire_text(&w, PROTO_SET, set);
	}
	wire_u32(&w, PROTO_FLAGS, a->flags);
	rc = client_send(&c, &w, NULL, 0, e);
	if (rc == 0)
		rc = client_finish(&c, &in, print_copy, a, e);
	client_close(&c);
	return rc;
}

static bool read_count(const char *text, uint32_t *count)
{
	char *end;

	*count = (uint32_t)strtoul(text, &end, 10);
	return *end == '\0' && *count >= 1 && *count <= COUNT_MAX;
}

static int run_branch(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {
		{"count", required_argument, NULL, 'c'}, {"name", required_argument, NULL, 'n'},
		{"paused", no_argument, NULL, 'p'},	 {"ready", no_argument, NULL, 'w'},
		{"quiet", no_argument, NULL, 'q'},	 {"json", no_argument, NULL, 'j'},
		{"disk", required_argument, NULL, 'd'},	 {"vif", required_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},	 {NULL, 0, NULL, 0}};
	struct branch_args a = {.count = 1};
	struct err e = {0};
	bool json = false;
	int rc;
	int c;

	while ((c = next_option(cmd, argc, argv, ":c:n:d:pwqjh", longs)) != -1) {
		if (c == 'c' && !read_count(optarg, &a.count)) {
			(void)fprintf(stderr, "chaos branch: count \"%s\": 1 to %u\n", optarg,
				      COUNT_MAX);
			return EXIT_USAGE;
		}
		if (c == 'n')
			a.name = optarg;
		if (c == 'p')
			a.flags |= PROTO_F_PAUSED;
		if (c == 'w')
			a.flags |= PROTO_F_READY;
		if (c == 'd' && disks_flag(optarg, &a.flags, &e) < 0)
			return usage(cmd, "%s", err_msg(&e));
		if (c == 'V')
			a.vif = optarg;
		a.quiet = a.quiet || c == 'q';
		json = json || c == 'j';
	}
	if (argc - optind != 1)
		return usage(cmd, "name a VM");
	a.vm = argv[optind];
	a.json = json ? json_array() : NULL;
	rc = branch(&a, &e);
	if (a.json && print_json(a.json) < 0 && rc == 0)
		rc = err_set(&e, EIO, "cannot write to standard output");
	return rc < 0 ? failed(&e) : EXIT_DONE;
}

static const char branch_help[] =
	"Makes copies of a VM and prints their names. The original continues. Each copy has the "
	"memory\n"
	"and vCPUs of the VM as they are now, and its own name, uuid, domain id and console.\n"
	"The guest must support it, as for \"chaos save\". chaos(1) says what a guest must do "
	"about random\n"
	"numbers.\n"
	"\n"
	"  -c, --count N           make N copies of the same moment\n"
	"  -n, --name NAME         the name of the copy; with --count, NAME-1, NAME-2, ...\n"
	"                          default: the first free ones of VM-1, VM-2, ...\n"
	"  -d, --disk WHAT         disks of the copies: keep, readonly, none or copy; needed if "
	"the VM "
	"writes "
	"one\n"
	"      --vif SPEC          MAC and IP address of the first interface of one copy: "
	"mac=MAC,ip=IP/N\n"
	"  -p, --paused            leave the copies paused; chaos unpause runs them\n"
	"  -w, --ready             wait until each copy reports that it is ready\n"
	"  -q, --quiet             do not print names\n" HELP_JSON;

const struct command cmd_branch = {
	.name = "branch",
	.args = "[OPTION]... VM",
	.what = "make copies of a VM that runs",
	.help = branch_help,
	.run = run_branch,
};
