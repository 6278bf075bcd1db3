/* SPDX-License-Identifier: BSD-3-Clause */
/* save and restore: VMs into files and out of them, also through pipes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chaos/cli.h"
#include "chaos/stats.h"
#include "chaos/target.h"

/* After this time a line is printed on a terminal. */
#define PATIENCE_MS 1000

/* --- what is told of it --- */

void read_stats(const struct wire_in *in, struct stats *s)
{
	s->bytes = wire_get_u64(in, PROTO_BYTES, s->bytes);
	s->pages = wire_get_u64(in, PROTO_PAGES, s->pages);
	s->present = wire_get_u64(in, PROTO_PRESENT, s->present);
	s->stopped_ns = wire_get_u64(in, PROTO_STOPPED_NS, s->stopped_ns);
	s->total_ns = wire_get_u64(in, PROTO_TOTAL_NS, s->total_ns);
	(void)wire_get_text(in, PROTO_NAME, s->name, sizeof(s->name));
}

int add_stats(json_t *j, const struct stats *s)
{
	return json_object_set_new(j, "bytes", json_integer((json_int_t)s->bytes)) |
	       json_object_set_new(j, "pages", json_integer((json_int_t)s->pages)) |
	       json_object_set_new(j, "pages_in_file", json_integer((json_int_t)s->present)) |
	       json_object_set_new(j, "total_us", json_real((double)s->total_ns / 1000));
}

static int print_json_beside(json_t *j)
{
	int rc = json_dumpf(j, stderr, JSON_INDENT(2));

	if (rc == 0)
		rc = fputc('\n', stderr) == EOF ? -1 : 0;
	json_decref(j);
	return rc;
}

/* On standard error when the stream is on standard output. */
static int print_saved(const struct stats *s, bool json, bool piped)
{
	char size[32];
	json_t *j;

	if (json) {
		j = json_pack("{s:o}", "name", text_json(s->name));
		if (add_stats(j, s) != 0 ||
		    json_object_set_new(j, "stopped_us", json_real((double)s->stopped_ns / 1000)) !=
			    0)
			return -1;
		return piped ? print_json_beside(j) : print_json(j);
	}
	format_kib((s->bytes + 1023) / 1024, size, sizeof(size));
	if (!piped)
		printf("%s: %s, %" PRIu64 " of %" PRIu64 " pages, stood still for %.1f ms\n",
		       s->name, size, s->present, s->pages, (double)s->stopped_ns / 1e6);
	return 0;
}

void tell_long(const struct client *c, const char *what)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	if (isatty(STDERR_FILENO) && poll(&p, 1, PATIENCE_MS) == 0)
		(void)fprintf(stderr, "chaos: %s...\n", what);
}

/* --- save --- */

struct save_args {
	const char *vm, *file;
	bool keep, json;
};

/* Receives replies until the VM is written: as an item, or as the answer if the VM continues. */
static int receive_written(struct client *c, struct wire_in *in, struct stats *s, struct err *e)
{
	int rc;

	do
		rc = client_receive(c, in, e);
	while (rc == 0 && in->h.op != PROTO_ITEM && in->h.op != PROTO_OK);
	if (rc == 0)
		read_stats(in, s);
	return rc;
}

/* Ends the VM, whose file is safe now. */
static int confirm(struct client *c, struct wire_in *in, struct stats *s, struct err *e)
{
	struct wire_out w;
	int rc;

	c->tag--; /* that of the save */
	client_begin(c, &w, PROTO_REQ_SAVED);
	rc = client_send(c, &w, NULL, 0, e);
	if (rc == 0)
		rc = client_finish(c, in, NULL, NULL, e);
	if (rc == 0)
		read_stats(in, s);
	return rc;
}

static int save_to(struct client *c, const struct save_args *a, struct target *t, struct stats *s,
		   struct err *e)
{
	struct wire_out w;
	struct wire_in in;
	int rc;

	client_begin(c, &w, PROTO_REQ_SAVE);
	wire_text(&w, PROTO_WHAT, a->vm);
	wire_u32(&w, PROTO_FILE_FD, 0);
	wire_u32(&w, PROTO_FLAGS, a->keep ? PROTO_F_KEEP : 0);
	rc = client_send(c, &w, &t->fd, 1, e);
	if (rc < 0)
		return rc;
	tell_long(c, "saving the VM");
	rc = receive_written(c, &in, s, e);
	if (rc == 0)
		rc = target_finish(t, e);
	if (rc < 0 || in.h.op != PROTO_ITEM)
		return rc;
	rc = target_drain(t, c->fd, e);
	if (rc < 0)
		return rc;
	rc = confirm(c, &in, s, e);
	if (rc < 0 && t->path)
		return err_wrap(
			e, rc, "%s is complete, but the VM may not have ended (see \"chaos info\")",
			a->file);
	return rc;
}

static int run_save(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"keep", no_argument, NULL, 'c'},
					      {"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct client client = {.fd = -1};
	struct save_args a = {0};
	struct stats s = {0};
	struct target t;
	struct err e = {0};
	int rc;
	int c;

	while ((c = next_option(cmd, argc, argv, ":cjh", longs)) != -1) {
		a.keep = a.keep || c == 'c';
		a.json = a.json || c == 'j';
	}
	if (argc - optind != 2)
		return usage(cmd, "name a VM and a file");
	a.vm = argv[optind];
	a.file = argv[optind + 1];
	rc = client_open(&client, NULL, &e);
	if (rc < 0)
		return failed(&e);
	(void)signal(SIGPIPE, SIG_IGN);
	rc = target_open(&t, a.file, &e);
	if (rc == 0)
		rc = save_to(&client, &a, &t, &s, &e);
	target_close(&t);
	client_close(&client);
	if (rc < 0)
		return failed(&e);
	return print_saved(&s, a.json, strcmp(a.file, "-") == 0) < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* --- restore --- */

static int open_source(const char *path, struct err *e)
{
	int fd;

	if (strcmp(path, "-") == 0) {
		if (isatty(STDIN_FILENO))
			return err_set(e, EINVAL,
				       "standard input is a terminal: give a file or a pipe");
		fd = dup(STDIN_FILENO);
		return fd < 0 ? err_sys(e, errno, "copy the descriptor of standard input") : fd;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open %s", path);
	return fd;
}

static int restore_from(struct client *c, int fd, const char *name, uint32_t flags,
			struct wire_in *in, struct err *e)
{
	struct wire_out w;
	int rc;

	client_begin(c, &w, PROTO_REQ_RESTORE);
	wire_text(&w, PROTO_NAME, name);
	wire_u32(&w, PROTO_FILE_FD, 0);
	wire_u32(&w, PROTO_FLAGS, flags);
	rc = client_send(c, &w, &fd, 1, e);
	if (rc < 0)
		return rc;
	tell_long(c, "restoring the VM");
	return client_finish(c, in, NULL, NULL, e);
}

static int print_restored(const struct wire_in *in, bool json)
{
	struct stats s = {0};
	struct chaos_vm v;
	json_t *j;

	if (!decode_vm(in, &v))
		return -1;
	if (!json) {
		printf("%s\n", v.name);
		return 0;
	}
	read_stats(in, &s);
	j = vm_json(&v);
	return add_stats(j, &s) != 0 ? -1 : print_json(j);
}

int disks_flag(const char *word, uint32_t *flags, struct err *e)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} words[] = {{"keep", PROTO_F_DISKS_KEEP},
		     {"readonly", PROTO_F_DISKS_READONLY},
		     {"none", PROTO_F_DISKS_NONE},
		     {"copy", PROTO_F_DISKS_COPY}};

	*flags &= ~(PROTO_F_DISKS_KEEP | PROTO_F_DISKS_READONLY | PROTO_F_DISKS_NONE |
		    PROTO_F_DISKS_COPY);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i].word) == 0) {
			*flags |= words[i].flag;
			return 0;
		}
	}
	return err_set(e, EINVAL, "--disk \"%s\": not one of keep, readonly, none, copy", word);
}

static int run_restore(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"paused", no_argument, NULL, 'p'},
					      {"ready", no_argument, NULL, 'w'},
					      {"name", required_argument, NULL, 'n'},
					      {"disk", required_argument, NULL, 'd'},
					      {"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct client client = {.fd = -1};
	const char *name = NULL;
	uint32_t flags = 0;
	struct err e = {0};
	struct wire_in in;
	bool json = false;
	int fd;
	int rc;
	int c;

	while ((c = next_option(cmd, argc, argv, ":pwn:d:jh", longs)) != -1) {
		if (c == 'p')
			flags |= PROTO_F_PAUSED;
		else if (c == 'w')
			flags |= PROTO_F_READY;
		else if (c == 'n')
			name = optarg;
		else if (c == 'j')
			json = true;
		else if (disks_flag(optarg, &flags, &e) < 0)
			return usage(cmd, "%s", err_msg(&e));
	}
	if (argc - optind != 1)
		return usage(cmd, "give the file of a saved VM");
	rc = client_open(&client, NULL, &e);
	if (rc < 0)
		return failed(&e);
	fd = open_source(argv[optind], &e);
	rc = fd < 0 ? fd : restore_from(&client, fd, name, flags, &in, &e);
	if (fd >= 0)
		(void)close(fd);
	if (rc == 0 && print_restored(&in, json) < 0)
		rc = err_set(&e, EIO, "cannot write to standard output");
	client_close(&client);
	return rc < 0 ? failed(&e) : EXIT_DONE;
}

/* --- commands --- */

static const char save_help[] =
	"Writes the memory and vCPUs of a VM into FILE (\"-\": standard output) and ends the VM.\n"
	"\"chaos restore FILE\" continues it. The VM is stopped meanwhile; if something fails, it "
	"continues.\n"
	"The guest must support it: noxs guests that say so (noxs(7)), and Linux\n"
	"(as PV with store=own).\n"
	"\n"
	"  -c, --keep              let the VM continue when it has been written\n" HELP_JSON;

const struct command cmd_save = {
	.name = "save",
	.args = "[OPTION]... VM FILE",
	.what = "write a VM into a file and end it",
	.help = save_help,
	.run = run_save,
};

static const char restore_help[] =
	"Makes a VM from a FILE (\"-\": standard input) that \"chaos save\" has written. It has "
	"the name and\n"
	"uuid of the saved VM, which must have ended.\n"
	"\n"
	"  -n, --name NAME         make a copy with this name and a new uuid\n"
	"  -p, --paused            leave it paused; chaos unpause runs it\n"
	"  -w, --ready             wait until its guest continues\n"
	"  -d, --disk WHAT         its disks: keep (as the file names them), readonly, none, or "
	"copy\n"
	"                          (to DISK.NAME); needed for a copy of a VM, and if this host "
	"does not\n"
	"                          know the VM\n" HELP_JSON;

const struct command cmd_restore = {
	.name = "restore",
	.args = "[OPTION]... FILE",
	.what = "make a VM from a file of save",
	.help = restore_help,
	.run = run_restore,
};
