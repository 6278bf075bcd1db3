/* SPDX-License-Identifier: BSD-3-Clause */
/* What a test asks chaosd for, and waits for, with one process and no polling shell: dom0's only
 * CPU is left to what the test is about. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "split-toolstack/libchaos/chaos.h"
#include "split-toolstack/libchaos/json.h"

#define POLL_MS 50

static const char usage[] =
	"usage: ask field VM KEY                 a value of `chaos info --json`\n"
	"       ask is VM KEY VALUE SECONDS      waits until it is that\n"
	"       ask says VM TEXT LINES SECONDS   waits until so many lines of the console's log "
	"have it\n"
	"       ask types VM TEXT                on its console; ends when chaosd has taken it\n"
	"       ask up SECONDS                   waits until chaosd answers\n"
	"       ask shells N SECONDS             waits until so many shells are ready\n"
	"       ask filled N SECONDS             waits until so many flavors have all that they "
	"want\n"
	"       ask devices VM N SECONDS         waits until so many of its devices are connected\n"
	"       ask domains                      how many domains there are but dom0\n";

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void rest(void)
{
	const struct timespec t = {.tv_nsec = POLL_MS * 1000000L};

	(void)nanosleep(&t, NULL);
}

/* --- fields --- */

static int print(const json_t *value)
{
	if (json_is_string(value))
		return puts(json_string_value(value)) < 0;
	if (json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT) < 0)
		return 1;
	return putchar('\n') < 0;
}

/* As jq -r prints it: NULL when the VM is not there or chaosd does not answer. */
static json_t *field(struct chaos *c, const char *vm, const char *key)
{
	struct chaos_request rq;
	static struct chaos_reply r;
	struct chaos_error e = {0};
	json_t *all;
	json_t *value;

	chaos_request_init(&rq, CHAOS_INFO);
	rq.vm = vm;
	if (chaos_call(c, &rq, &r, NULL, NULL, &e) < 0 || !r.has_vm)
		return NULL;
	all = vm_json(&r.vm);
	value = json_object_get(all, key);
	value = value ? json_incref(value) : json_null();
	json_decref(all);
	return value;
}

static int cmd_field(struct chaos *c, const char *vm, const char *key)
{
	json_t *value = c ? field(c, vm, key) : NULL;
	int bad = !value || print(value);

	json_decref(value);
	return bad;
}

static bool has_value(struct chaos *c, const char *vm, const char *key, const char *wanted)
{
	json_t *value = field(c, vm, key);
	char *text = NULL;
	bool same;

	if (!value)
		return false;
	if (json_is_string(value)) {
		same = strcmp(json_string_value(value), wanted) == 0;
	} else {
		text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		same = text && strcmp(text, wanted) == 0;
	}
	free(text);
	json_decref(value);
	return same;
}

/* --- waiting --- */

struct wish {
	bool (*is_true)(struct chaos *c, const struct wish *w);
	const char *vm, *key, *value;
	long n;
};

/* chaosd may start in the meantime, or start again: each look is a connection of its own. */
static int wait_for(const struct wish *w, double until)
{
	for (;;) {
		struct chaos *c = NULL;
		struct chaos_error e = {0};
		bool yes = chaos_open(&c, NULL, &e) == 0 && w->is_true(c, w);

		chaos_close(c);
		if (yes)
			return 0;
		if (now() >= until)
			return 1;
		rest();
	}
}

static bool field_is(struct chaos *c, const struct wish *w)
{
	return has_value(c, w->vm, w->key, w->value);
}

static bool is_up(struct chaos *c, const struct wish *w)
{
	struct chaos_request rq;
	static struct chaos_reply r;

	(void)w;
	chaos_request_init(&rq, CHAOS_VERSION_INFO);
	return chaos_call(c, &rq, &r, NULL, NULL, NULL) == 0;
}

struct shells {
	long ready, filled;
};

static int add_flavor(const struct chaos_reply *r, void *arg)
{
	struct shells *s = arg;

	s->ready += r->has_flavor ? r->flavor.ready : 0;
	s->filled += r->has_flavor && r->flavor.ready == r->flavor.target;
	return 0;
}

static bool pool_has(struct chaos *c, const struct wish *w)
{
	struct chaos_request rq;
	static struct chaos_reply r;
	struct shells s = {0, 0};

	chaos_request_init(&rq, CHAOS_POOL);
	if (chaos_call(c, &rq, &r, add_flavor, &s, NULL) < 0)
		return false;
	(void)add_flavor(&r, &s);
	return (strcmp(w->key, "filled") == 0 ? s.filled : s.ready) == w->n;
}

static bool devices_are(struct chaos *c, const struct wish *w)
{
	struct chaos_request rq;
	static struct chaos_reply r;
	static struct chaos_device d;
	long n = 0;

	chaos_request_init(&rq, CHAOS_INFO);
	rq.vm = w->vm;
	if (chaos_call(c, &rq, &r, NULL, NULL, NULL) < 0)
		return false;
	for (uint32_t i = 0; i < r.ndevice && chaos_device(&r, i, &d) == 0; i++)
		n += strcmp(d.state, "connected") == 0;
	return n == w->n;
}

/* --- what a console says --- */

struct lines {
	const char *text;
	long found;
	size_t len;
	char line[8192]; /* what is longer is taken as several lines */
};

static void add(struct lines *l, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n' && l->len < sizeof(l->line) - 1) {
			l->line[l->len++] = data[i] ? data[i] : ' ';
			continue;
		}
		l->line[l->len] = '\0';
		l->found += strstr(l->line, l->text) != NULL;
		l->len = 0;
	}
}

/* The line that has no end so far counts, too. */
static long count(struct lines *l)
{
	l->line[l->len] = '\0';
	return l->found + (strstr(l->line, l->text) != NULL);
}

#define LOG_SECONDS 60 /* to give what it has */

/* Reads the log, and (with time left) what comes, until it has them: 0; else 1. */
static int follow(struct chaos *c, const char *vm, struct lines *l, long lines, double until)
{
	struct chaos_request rq;
	static struct chaos_reply r;
	struct chaos_error e = {0};
	bool wait = now() < until;

	chaos_request_init(&rq, CHAOS_CONSOLE);
	rq.vm = vm;
	rq.flags = CHAOS_LOG | (wait ? CHAOS_FOLLOW : 0);
	if (!wait)
		until = now() + LOG_SECONDS;
	if (chaos_send(c, &rq, NULL, &e) < 0)
		return 1;
	while (now() < until) {
		int rc = chaos_receive(c, &r, 1000, &e);

		if (rc == -EAGAIN)
			continue;
		if (rc < 0)
			return 1;
		add(l, r.data, r.len);
		if (count(l) >= lines)
			return 0;
		if (r.last)
			return 1;
	}
	return 1;
}

static int cmd_says(const char *vm, const char *text, long lines, double until)
{
	for (;;) {
		struct lines l = {.text = text};
		struct chaos *c = NULL;
		struct chaos_error e = {0};
		int rc = chaos_open(&c, NULL, &e) == 0 ? follow(c, vm, &l, lines, until) : 1;

		chaos_close(c);
		if (rc == 0 || now() >= until)
			return rc;
		rest();
	}
}

/* --- what is typed --- */

/* chaosd takes frames in order: when it answers the last one, the guest's queue has the text. */
static int cmd_types(struct chaos *c, const char *vm, const char *text)
{
	struct chaos_request rq;
	static struct chaos_reply r;
	struct chaos_error e = {0};
	uint32_t console;
	uint32_t last;

	chaos_request_init(&rq, CHAOS_CONSOLE);
	rq.vm = vm;
	rq.flags = CHAOS_FOLLOW | CHAOS_INPUT_TOO;
	if (!c || chaos_send(c, &rq, &console, &e) < 0)
		return 1;
	chaos_request_init(&rq, CHAOS_INPUT);
	rq.tag = console;
	rq.data = text;
	rq.len = (uint32_t)strlen(text);
	if (chaos_send(c, &rq, NULL, &e) < 0)
		return 1;
	chaos_request_init(&rq, CHAOS_VERSION_INFO);
	if (chaos_send(c, &rq, &last, &e) < 0)
		return 1;
	for (;;) {
		int rc = chaos_receive(c, &r, LOG_SECONDS * 1000, &e);

		if (rc < 0)
			(void)fprintf(stderr, "ask: %s: %s\n", vm, e.message);
		if (rc < 0 || (r.last && r.tag == last))
			return rc < 0;
	}
}

/* --- the rest --- */

static int add_domain(const struct chaos_reply *r, void *arg)
{
	int *n = arg;

	*n += r->has_vm && r->vm.domid > 0;
	return 0;
}

static int cmd_domains(struct chaos *c)
{
	struct chaos_request rq;
	static struct chaos_reply r;
	struct chaos_error e = {0};
	int n = 0;

	chaos_request_init(&rq, CHAOS_LIST);
	rq.flags = CHAOS_FOREIGN;
	if (!c || chaos_call(c, &rq, &r, add_domain, &n, &e) < 0)
		return 1;
	(void)add_domain(&r, &n);
	return printf("%d\n", n) < 0;
}

/* -1: it is none of these. */
static int wait_command(int argc, char **argv)
{
	double until = now() + strtod(argv[argc - 1], NULL);
	struct wish w = {.vm = argv[2], .key = argv[1]};

	if (argc == 6 && strcmp(argv[1], "says") == 0)
		return cmd_says(argv[2], argv[3], strtol(argv[4], NULL, 10), until);
	if (argc == 6 && strcmp(argv[1], "is") == 0) {
		w.is_true = field_is;
		w.key = argv[3];
		w.value = argv[4];
	} else if (argc == 3 && strcmp(argv[1], "up") == 0) {
		w.is_true = is_up;
	} else if (argc == 5 && strcmp(argv[1], "devices") == 0) {
		w.is_true = devices_are;
		w.n = strtol(argv[3], NULL, 10);
	} else if (argc == 4 &&
		   (strcmp(argv[1], "shells") == 0 || strcmp(argv[1], "filled") == 0)) {
		w.is_true = pool_has;
		w.n = strtol(argv[2], NULL, 10);
	} else {
		return -1;
	}
	return wait_for(&w, until);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct chaos *c = NULL;
	struct chaos_error e = {0};
	int rc = argc > 2 ? wait_command(argc, argv) : -1;

	if (rc >= 0)
		return rc;
	if (chaos_open(&c, NULL, &e) < 0)
		(void)fprintf(stderr, "ask: %s\n", e.message);
	if (argc == 4 && strcmp(what, "field") == 0)
		rc = cmd_field(c, argv[2], argv[3]);
	else if (argc == 4 && strcmp(what, "types") == 0)
		rc = cmd_types(c, argv[2], argv[3]);
	else if (argc == 2 && strcmp(what, "domains") == 0)
		rc = cmd_domains(c);
	else
		rc = fputs(usage, stderr) >= 0 ? 2 : 1;
	chaos_close(c);
	return rc;
}
