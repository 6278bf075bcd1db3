/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot, snapshots: VMs that chaosd keeps by name. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "chaos/cli.h"

/* --- snapshots --- */

static void print_head(void)
{
	printf("%-24s %-24s %-20s %-4s %7s %7s %8s\n", "NAME", "PARENT", "VM", "TYPE", "MEMORY",
	       "SIZE", "AGE");
}

static void print_line(const struct chaos_snapshot *s)
{
	uint64_t now = clock_wall_ns();
	char mem[32];
	char size[32];
	char age[32];

	format_kib(s->mem_kib, mem, sizeof(mem));
	format_kib((s->bytes + 1023) / 1024, size, sizeof(size));
	format_age(now > s->created_ns ? now - s->created_ns : 0, age, sizeof(age));
	if (*s->parent && !*s->parent_name)
		printf("%-24s (%.12s)%10s", s->name, s->parent, "");
	else
		printf("%-24s %-24s", s->name, *s->parent ? s->parent_name : "-");
	printf(" %-20s %-4s %7s %7s %8s\n", s->vm, s->type, mem, size, age);
}

static int on_snapshot(const struct wire_in *in, void *arg)
{
	json_t *json = arg;
	struct chaos_snapshot s;

	if (!decode_snapshot(in, &s))
		return 0;
	if (json)
		return json_array_append_new(json, snapshot_json(&s));
	print_line(&s);
	return 0;
}

static int run_snapshots(const struct command *cmd, int argc, char **argv)
{
	struct client c = {.fd = -1};
	struct plain_options o;
	struct err e = {0};
	struct wire_in in;
	int rc = plain_options(cmd, argc, argv, false, &o);

	if (rc != EXIT_DONE)
		return rc;
	if (optind < argc) {
		json_decref(o.json);
		return usage(cmd, "unexpected argument \"%s\"", argv[optind]);
	}
	rc = client_open(&c, NULL, &e);
	if (rc == 0)
		rc = ask(&c, PROTO_REQ_SNAPSHOTS, NULL, 0, &e);
	if (rc == 0 && !o.json)
		print_head();
	if (rc == 0)
		rc = client_finish(&c, &in, on_snapshot, o.json, &e);
	return conclude(&c, o.json, rc < 0 ? failed(&e) : EXIT_DONE);
}

/* --- snapshot --- */

static int keep(struct client *c, const char *vm, const char *name, bool json, struct err *e)
{
	struct chaos_snapshot s;
	struct wire_out w;
	struct wire_in in;
	json_t *j;
	int rc;

	client_begin(c, &w, PROTO_REQ_SNAPSHOT);
	wire_text(&w, PROTO_WHAT, vm);
	wire_text(&w, PROTO_NAME, name);
	rc = client_send(c, &w, NULL, 0, e);
	if (rc == 0)
		rc = client_finish(c, &in, NULL, NULL, e);
	if (rc == 0 && !decode_snapshot(&in, &s))
		rc = err_set(e, EPROTO, "the answer of chaosd has no snapshot in it");
	if (rc < 0)
		return rc;
	if (!json) {
		printf("%s\n", s.name);
		return 0;
	}
	j = snapshot_json(&s);
	(void)json_object_set_new(j, "stopped_us",
				  json_real((double)wire_get_u64(&in, PROTO_STOPPED_NS, 0) / 1000));
	(void)json_object_set_new(j, "total_us",
				  json_real((double)wire_get_u64(&in, PROTO_TOTAL_NS, 0) / 1000));
	return print_json(j) < 0 ? err_set(e, EIO, "standard output") : 0;
}

static int remove_one(struct client *c, const char *name, struct err *e)
{
	struct wire_out w;
	struct wire_in in;
	int rc;

	client_begin(c, &w, PROTO_REQ_SNAPSHOT_RM);
	wire_text(&w, PROTO_NAME, name);
	rc = client_send(c, &w, NULL, 0, e);
	return rc < 0 ? rc : client_finish(c, &in, NULL, NULL, e);
}

/* Each is tried; the first error is the command's. */
static int remove_all(struct client *c, char **names, int n, json_t *json, struct err *e)
{
	int first = 0;

	for (int i = 0; i < n; i++) {
		struct err why = {0};
		int rc = remove_one(c, names[i], &why);

		if (rc < 0 && first == 0) {
			first = rc;
			err_copy(e, &why);
		} else if (rc < 0) {
			(void)failed(&why);
		} else if (json) {
			(void)json_array_append_new(json, text_json(names[i]));
		} else {
			printf("%s\n", names[i]);
		}
	}
	return first;
}

static int run_snapshot(const struct command *cmd, int argc, char **argv)
{
	struct client c = {.fd = -1};
	struct plain_options o;
	struct err e = {0};
	bool rm;
	int n;
	int rc = plain_options(cmd, argc, argv, false, &o);

	if (rc != EXIT_DONE)
		return rc;
	n = argc - optind;
	rm = n > 0 && strcmp(argv[optind], "rm") == 0;
	if (n < 1 || (rm && n < 2) || (!rm && n > 2)) {
		json_decref(o.json);
		return rm ? usage(cmd, "rm: name a snapshot")
			  : usage(cmd, "name a VM, and optionally the snapshot");
	}
	rc = client_open(&c, NULL, &e);
	if (rc == 0 && rm) {
		rc = remove_all(&c, argv + optind + 1, n - 1, o.json, &e);
	} else if (rc == 0) {
		rc = keep(&c, argv[optind], n > 1 ? argv[optind + 1] : NULL, o.json != NULL, &e);
		json_decref(o.json);
		o.json = NULL;
	}
	return conclude(&c, o.json, rc < 0 ? failed(&e) : EXIT_DONE);
}

/* --- commands --- */

static const char snapshot_help[] =
	"Keeps a VM as a snapshot, which \"chaos create --from\" makes copies of. The VM stands "
	"still for a\n"
	"moment and goes on. Without NAME it is called by the VM and a number.\n"
	"\n"
	"  rm NAME...              remove snapshots that are no others' parents\n" HELP_JSON;

const struct command cmd_snapshot = {
	.name = "snapshot",
	.args = "[OPTION]... VM [NAME] | rm NAME...",
	.what = "keep a VM as a snapshot",
	.help = snapshot_help,
	.run = run_snapshot,
};

static const char snapshots_help[] = "Lists snapshots, each with its parent: the one that its VM "
				     "was made from, or was last kept "
				     "as.\n"
				     "\n" HELP_JSON;

const struct command cmd_snapshots = {
	.name = "snapshots",
	.args = "[OPTION]...",
	.what = "list snapshots",
	.help = snapshots_help,
	.run = run_snapshots,
};
