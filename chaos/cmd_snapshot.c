/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot, snapshots: VMs stored under names. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "chaos/cli.h"
#include "chaos/target.h"

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

/* The answer has one; it stays in `in`. */
static int finish_snapshot(struct client *c, struct wire_in *in, struct chaos_snapshot *out,
			   struct err *e)
{
	int rc = client_finish(c, in, NULL, NULL, e);

	if (rc == 0 && !decode_snapshot(in, out))
		rc = err_set(e, EPROTO, "the answer of chaosd has no snapshot in it");
	return rc;
}

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
		tell_long(c, "keeping the VM");
	if (rc == 0)
		rc = finish_snapshot(c, &in, &s, e);
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
	return print_json(j) < 0 ? err_set(e, EIO, "cannot write to standard output") : 0;
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

/* Removes the snapshots that can be removed, and sets them to NULL in `names`; returns their
 * number. *e: the error of the first other one; errors of the others are printed on the last
 * try. */
static int remove_some(struct client *c, char **names, int n, json_t *json, bool last,
		       struct err *e)
{
	int removed = 0;
	bool none = true;

	for (int i = 0; i < n; i++) {
		struct err why = {0};

		if (!names[i])
			continue;
		if (remove_one(c, names[i], &why) < 0) {
			if (none)
				err_copy(e, &why);
			else if (last)
				(void)failed(&why);
			none = false;
			continue;
		}
		if (json)
			(void)json_array_append_new(json, text_json(names[i]));
		else
			printf("%s\n", names[i]);
		names[i] = NULL;
		removed++;
	}
	return removed;
}

/* In any order: a parent is removed after its children. */
static int remove_all(struct client *c, char **names, int n, json_t *json, struct err *e)
{
	int left = n;
	int removed;

	do {
		removed = remove_some(c, names, n, json, false, e);
		left -= removed;
	} while (left && removed);
	if (left)
		(void)remove_some(c, names, n, json, true, e);
	return left ? -e->code : 0;
}

/* --- to and from files --- */

static int send_file(struct client *c, enum proto_op op, const char *name, int fd, struct err *e)
{
	struct wire_out w;
	int rc;

	client_begin(c, &w, op);
	wire_text(&w, PROTO_NAME, name);
	wire_u32(&w, PROTO_FILE_FD, 0);
	rc = client_send(c, &w, &fd, 1, e);
	if (rc == 0)
		tell_long(c, "copying the snapshot");
	return rc;
}

static int pack(struct client *c, const char *name, const char *path, struct err *e)
{
	struct target t;
	struct wire_in in;
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	rc = target_open(&t, path, e);
	if (rc == 0)
		rc = send_file(c, PROTO_REQ_SNAPSHOT_PACK, name, t.fd, e);
	if (rc == 0)
		rc = client_finish(c, &in, NULL, NULL, e);
	if (rc == 0)
		rc = target_finish(&t, e);
	if (rc == 0)
		rc = target_drain(&t, c->fd, e);
	target_close(&t);
	return rc;
}

/* The default name is that of the file. */
static int unpack(struct client *c, const char *path, const char *name, bool json, struct err *e)
{
	const char *slash = strrchr(path, '/');
	bool piped = strcmp(path, "-") == 0;
	struct chaos_snapshot s;
	struct wire_in in;
	int fd = piped ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_sys(e, errno, "open %s", piped ? "standard input" : path);
	rc = send_file(c, PROTO_REQ_SNAPSHOT_UNPACK, name ? name : slash ? slash + 1 : path, fd, e);
	(void)close(fd);
	if (rc == 0)
		rc = finish_snapshot(c, &in, &s, e);
	if (rc < 0)
		return rc;
	if (!json)
		printf("%s\n", s.name);
	else if (print_json(snapshot_json(&s)) < 0)
		return err_set(e, EIO, "cannot write to standard output");
	return 0;
}

/* Checks the arguments: NULL, or a text that says what is wrong. */
static const char *check_words(char **word, int n)
{
	if (n < 1)
		return "name a VM, and optionally the snapshot";
	if (strcmp(word[0], "rm") == 0)
		return n < 2 ? "rm: name a snapshot" : NULL;
	if (strcmp(word[0], "pack") == 0)
		return n != 3 ? "pack: name a snapshot and a file" : NULL;
	if (strcmp(word[0], "unpack") == 0) {
		if (n != 2 && n != 3)
			return "unpack: give a file, and optionally a name";
		if (n == 2 && strcmp(word[1], "-") == 0)
			return "unpack: what comes from standard input needs a name";
		return NULL;
	}
	return n > 2 ? "name a VM, and optionally the snapshot" : NULL;
}

static int run_words(struct client *c, char **word, int n, json_t **json, struct err *e)
{
	json_t *list = *json;
	const char *last = n > 2 ? word[2] : NULL;
	int rc;

	if (strcmp(word[0], "rm") == 0)
		return remove_all(c, word + 1, n - 1, list, e);
	if (strcmp(word[0], "pack") == 0)
		rc = pack(c, word[1], last, e);
	else if (strcmp(word[0], "unpack") == 0)
		rc = unpack(c, word[1], last, list != NULL, e);
	else
		rc = keep(c, word[0], n > 1 ? word[1] : NULL, list != NULL, e);
	json_decref(list); /* these print an object, or nothing */
	*json = NULL;
	return rc;
}

static int run_snapshot(const struct command *cmd, int argc, char **argv)
{
	struct client c = {.fd = -1};
	struct plain_options o;
	struct err e = {0};
	const char *wrong;
	int rc = plain_options(cmd, argc, argv, false, &o);

	if (rc != EXIT_DONE)
		return rc;
	wrong = check_words(argv + optind, argc - optind);
	if (wrong) {
		json_decref(o.json);
		return usage(cmd, "%s", wrong);
	}
	rc = client_open(&c, NULL, &e);
	if (rc == 0)
		rc = run_words(&c, argv + optind, argc - optind, &o.json, &e);
	return conclude(&c, o.json, rc < 0 ? failed(&e) : EXIT_DONE);
}

/* --- commands --- */

static const char snapshot_help[] =
	"Stores the state of a VM as a snapshot; \"chaos create --from NAME\" makes copies of it. "
	"The VM is\n"
	"stopped for a moment and continues. The default NAME is VM-1, VM-2, ...\n"
	"\n"
	"  rm NAME...              remove snapshots that are not the parent of others\n"
	"  pack NAME FILE          copy a snapshot into FILE (\"-\": standard output), for another "
	"host\n"
	"  unpack FILE [NAME]      store FILE (\"-\": standard input) as a snapshot; the default "
	"NAME is the\n"
	"                          name of the file\n" HELP_JSON;

const struct command cmd_snapshot = {
	.name = "snapshot",
	.args = "[OPTION]... VM [NAME] | rm NAME... | pack NAME FILE | unpack FILE [NAME]",
	.what = "store the state of a VM as a snapshot",
	.help = snapshot_help,
	.run = run_snapshot,
};

static const char snapshots_help[] = "Lists snapshots. The parent of a snapshot is the one that "
				     "was last made of its VM, or that the\n"
				     "VM was made from.\n" HELP_JSON;

const struct command cmd_snapshots = {
	.name = "snapshots",
	.args = "[OPTION]...",
	.what = "list snapshots",
	.help = snapshots_help,
	.run = run_snapshots,
};
