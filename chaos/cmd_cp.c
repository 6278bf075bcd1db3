/* SPDX-License-Identifier: BSD-3-Clause */
/* cp: files into a VM that runs an agent, and out of it. Data of a VM is hostile. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "chaos/agent.h"
#include "guests/linux/tree/tree.h"
#include "join/join.h"

#define QUIET_NS  2000000000u /* before progress is shown */
#define EACH_NS	  200000000u
#define BYTES_MAX (64ull << 30)
#define SAID_MAX  4096u /* of messages of the other end */

struct copying {
	int data, said, control; /* pipes and the connection; -1: at its end */
	int code;		 /* what the process in the VM ended with; -1: not yet */
	struct err end;
	char text[SAID_MAX];
	size_t len;
	uint64_t start, shown;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* --- the way of bytes --- */

static void read_text(struct copying *k)
{
	char beyond[512];
	bool room = k->len < sizeof(k->text) - 1;
	ssize_t n = room ? read(k->said, k->text + k->len, sizeof(k->text) - 1 - k->len)
			 : read(k->said, beyond, sizeof(beyond));

	if (n > 0)
		k->len += room ? (size_t)n : 0;
	if (n > 0 || (n < 0 && errno == EINTR))
		return;
	(void)close(k->said);
	k->said = -1;
}

static void read_end(struct copying *k)
{
	int rc = agent_wait(k->control, &k->end);

	if (rc == -EINTR)
		return;
	k->code = rc < 0 ? EXIT_OWN : rc;
	(void)close(k->control);
	k->control = -1;
}

/* Waits until the pipe of data is ready, or, without one, until all messages have come. */
static int wait_for(struct copying *k, short events)
{
	for (;;) {
		struct pollfd p[3] = {
			{k->data, events, 0}, {k->said, POLLIN, 0}, {k->control, POLLIN, 0}};
		int rc = poll(p, 3, k->control < 0 && k->data < 0 ? 0 : -1);

		if (interrupted)
			return -EINTR;
		if (rc < 0 && errno != EINTR)
			return -errno;
		if (rc > 0 && p[1].revents)
			read_text(k);
		if (rc > 0 && p[2].revents)
			read_end(k);
		if (rc > 0 && p[0].revents)
			return 0;
		if (k->data < 0 && k->control < 0 && (rc == 0 || k->said < 0))
			return 0;
	}
}

static ssize_t read_stream(void *arg, void *to, size_t room)
{
	struct copying *k = arg;
	ssize_t n;
	int rc;

	do {
		rc = wait_for(k, POLLIN);
		n = rc < 0 ? rc : read(k->data, to, room);
	} while (rc == 0 && n < 0 && (errno == EINTR || errno == EAGAIN));
	return rc < 0 ? rc : n < 0 ? -errno : n;
}

static int write_stream(void *arg, const void *bytes, size_t len)
{
	struct copying *k = arg;

	while (len) {
		int rc = wait_for(k, POLLOUT);
		ssize_t n = rc < 0 ? 0 : write(k->data, bytes, len);

		if (rc < 0)
			return rc;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0) {
			bytes = (const char *)bytes + n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* --- what is said --- */

static void left_out(const char *name, const char *why)
{
	struct tree_fault f = {0};

	(void)tree_fault(&f, 0, "\"%.300s\" is left out: %s", name, why);
	(void)fprintf(stderr, "chaos: %s\n", f.text);
}

/* Each line of the VM's, without what would change the terminal. */
static void print_said(struct copying *k, const char *vm)
{
	char *rest = k->text;
	char *line;

	k->text[k->len] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		for (char *p = line; *p; p++)
			if ((unsigned char)*p < ' ' || *p == 127)
				*p = '?';
		if (*line)
			(void)fprintf(stderr, "chaos: \"%s\": %s\n", vm, line);
	}
}

static void tick(struct tree_count *c)
{
	struct copying *k = c->arg;
	uint64_t now = clock_ns();
	char size[32];

	if (now - k->start < QUIET_NS || now - k->shown < EACH_NS || !isatty(2))
		return;
	k->shown = now;
	format_kib(c->bytes / 1024, size, sizeof(size));
	(void)fprintf(stderr, "\rchaos: %s, %llu files, %.1f MiB/s \033[K", size,
		      (unsigned long long)c->entries,
		      (double)c->bytes / 1048576 / ((double)(now - k->start) / 1e9));
}

/* --- a copy --- */

struct copy {
	const char *vm, *inside; /* the VM, and the path there */
	char *here;
	bool from_vm, links, set_ids;
	uint64_t bytes_max;
	int timeout_ms;
	struct tree_count count;
};

/* "VM:PATH"; false: a path of this host. */
static bool split(char *word, const char **vm, const char **path)
{
	char *colon = strchr(word, ':');
	const char *slash = strchr(word, '/');

	if (!colon || colon == word || (slash && slash < colon))
		return false;
	*colon = '\0';
	*vm = word;
	*path = colon + 1;
	return true;
}

static json_t *words_of(const struct copy *x)
{
	char room[TREE_NAME];
	const char *base = tree_base(x->here, room, sizeof(room));

	return json_pack("{s:s, s:[s, s*]}", "copy", x->from_vm ? "send" : "receive", "args",
			 x->inside, x->from_vm ? NULL : base);
}

static int begin(const struct copy *x, struct copying *k, struct err *e)
{
	int data[2] = {-1, -1};
	int said[2] = {-1, -1};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	json_t *words = words_of(x);
	int rc = words ? 0 : err_set(e, EINVAL, "path \"%s\": not valid UTF-8", x->inside);

	if (rc == 0 && (null < 0 || pipe2(data, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC) < 0))
		rc = err_sys(e, errno, "make the pipes of the copy");
	k->data = data[x->from_vm ? 0 : 1];
	k->said = said[0];
	if (rc == 0)
		rc = agent_start(x->vm, words,
				 (const int[]){x->from_vm ? null : data[0],
					       x->from_vm ? data[1] : null, said[1]},
				 x->timeout_ms, e);
	k->control = rc;
	json_decref(words);
	for (int i = 0; i < 3; i++) {
		int fd = (const int[]){null, data[x->from_vm ? 1 : 0], said[1]}[i];

		if (fd >= 0)
			(void)close(fd);
	}
	if (rc >= 0 && !x->from_vm)
		(void)fcntl(k->data, F_SETFL, O_NONBLOCK);
	return rc < 0 ? rc : 0;
}

static int move_files(struct copy *x, struct copying *k, struct tree_fault *f)
{
	struct tree_in in = {.read = read_stream, .arg = k, .bytes_max = x->bytes_max};
	struct tree_out out = {.write = write_stream, .arg = k, .left_out = left_out};
	const struct tree_rules rules = {.owners = geteuid() == 0,
					 .set_ids = x->set_ids,
					 .links = x->links,
					 .left_out = left_out};
	char room[TREE_NAME];
	const char *name = NULL;
	int dir;
	int rc;

	x->count.tick = tick;
	x->count.arg = k;
	if (!x->from_vm)
		return tree_send(&out, x->here, &x->count, f);
	dir = tree_place(x->here, tree_base(x->inside, room, sizeof(room)), &name, f);
	if (dir < 0)
		return dir;
	rc = tree_make(&in, dir, name, &rules, &x->count, f);
	(void)close(dir);
	return rc;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* The reason of the other end counts more than that it was cut off here. */
static int copy(struct copy *x, struct err *e)
{
	struct copying k = {.data = -1, .said = -1, .control = -1, .code = -1, .start = clock_ns()};
	struct tree_fault f = {0};
	int rc = begin(x, &k, e);

	if (rc == 0) {
		rc = move_files(x, &k, &f);
		shut(&k.data);
		if (rc == 0 || (f.code == EPIPE && !interrupted))
			(void)wait_for(&k, 0);
	}
	if (k.shown)
		(void)fprintf(stderr, "\r\033[K");
	print_said(&k, x->vm);
	shut(&k.data);
	shut(&k.said);
	shut(&k.control);
	x->count.arg = NULL;
	if (interrupted)
		return err_set(e, EINTR, "interrupted");
	if (k.end.code)
		return err_set(e, k.end.code, "%s", k.end.msg);
	if (f.code)
		return k.len && f.code == EPIPE ? -EIO : err_set(e, f.code, "%s", f.text);
	return rc == 0 && k.code > 0 ? k.len ? -EIO : err_set(e, EIO, "the copy failed in the VM")
				     : rc;
}

/* --- the command --- */

static const struct option longs[] = {{"links", no_argument, NULL, 'l'},
				      {"set-ids", no_argument, NULL, 's'},
				      {"limit", required_argument, NULL, 'L'},
				      {"timeout", required_argument, NULL, 'T'},
				      {"json", no_argument, NULL, 'j'},
				      {"help", no_argument, NULL, 'h'},
				      {NULL, 0, NULL, 0}};

/* "64G", as bytes; 0: it is no size. */
static uint64_t read_limit(const char *text)
{
	static const char units[] = "KMGT";
	char *end = NULL;
	unsigned long long n = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;
	int shift = unit ? (int)(unit - units + 1) * 10 : 0;

	if (*text < '0' || *text > '9' || (*end && (!unit || end[1])) || n > UINT64_MAX >> shift)
		return 0;
	return n << shift;
}

static int run_cp(const struct command *cmd, int argc, char **argv)
{
	struct copy x = {.timeout_ms = AGENT_TIMEOUT_MS, .bytes_max = BYTES_MAX};
	struct sigaction a = {.sa_handler = on_signal};
	struct err e = {0};
	const char *vm;
	const char *path;
	bool json = false;
	int rc;
	int c;

	while ((c = next_option(cmd, argc, argv, ":lsL:T:jh", longs)) != -1) {
		x.links = x.links || c == 'l';
		x.set_ids = x.set_ids || c == 's';
		json = json || c == 'j';
		if (c == 'L' && (x.bytes_max = read_limit(optarg)) == 0)
			return usage(cmd, "--limit \"%s\": give a size, such as 64M", optarg);
		if (c == 'T' && (x.timeout_ms = agent_read_timeout(optarg)) < 0)
			return usage(cmd, "--timeout \"%s\": give a number of seconds", optarg);
	}
	if (argc - optind != 2)
		return usage(cmd, "give two paths: what to copy, and where to");
	x.from_vm = split(argv[optind], &x.vm, &x.inside);
	x.here = argv[optind + x.from_vm];
	if (split(argv[optind + 1], &vm, &path) == x.from_vm)
		return usage(cmd, "give one path as VM:PATH, and the other as a path of this host");
	if (!x.from_vm) {
		x.vm = vm;
		x.inside = path;
	}
	if (!*x.inside || !*x.here)
		return usage(cmd, "a path is empty");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigaction(SIGINT, &a, NULL);
	(void)sigaction(SIGTERM, &a, NULL);
	(void)sigaction(SIGHUP, &a, NULL);
	rc = copy(&x, &e);
	if (rc == 0 && json)
		return print_json(json_pack("{s:I, s:I, s:I}", "files", (json_int_t)x.count.entries,
					    "bytes", (json_int_t)x.count.bytes, "left_out",
					    (json_int_t)x.count.left_out)) < 0
			       ? EXIT_FAILED
			       : EXIT_DONE;
	if (interrupted)
		return 128 + interrupted;
	if (e.code)
		return failed(&e);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

static const char cp_help[] =
	"Copies a file, or a folder and its contents, into a VM of Linux that runs chaos' agent "
	"(key\n"
	"agent=1, and containers of chaos-oci), or out of it: \"chaos cp VM:PATH PATH\", \"chaos "
	"cp\n"
	"PATH VM:PATH\". If the destination is a folder, the copy is made in it.\n"
	"\n"
	"  -l, --links             also create links that point out of the copied tree\n"
	"  -s, --set-ids           keep setuid, setgid and sticky bits of a VM's files\n"
	"  -L, --limit SIZE        fail when a VM sends more, with K, M, G or T (64G)\n"
	"  -T, --timeout SECONDS   time to wait for the agent (60)\n"
	"  -j, --json              print what was copied as JSON\n";

const struct command cmd_cp = {
	.name = "cp",
	.args = "[OPTION]... VM:PATH PATH | PATH VM:PATH",
	.what = "copy files into a VM of Linux and out of it",
	.help = cp_help,
	.run = run_cp,
};
