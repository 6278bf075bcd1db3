/* SPDX-License-Identifier: BSD-3-Clause */
/* The request to create a VM, and its answer. */
#include "chaos/create.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_MAX 32768u
/* After this time a line is printed on a terminal. */
#define PATIENCE_MS 1000

/* --- the request --- */

static int read_config(const char *path, char *text, size_t *len, struct err *e)
{
	int fd = strcmp(path, "-") == 0 ? dup(0) : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	*len = 0;
	if (fd < 0)
		return err_sys(e, errno, "open %s", path);
	while (*len < CONFIG_MAX && (n = read(fd, text + *len, CONFIG_MAX - *len)) > 0)
		*len += (size_t)n;
	(void)close(fd);
	if (n < 0)
		return err_sys(e, errno, "read %s", path);
	if (*len == CONFIG_MAX)
		return err_set(e, E2BIG, "%s: longer than %u bytes", path, CONFIG_MAX - 1);
	return 0;
}

/* Read only once, because standard input can only be read once. */
static int add_config(struct wire_out *w, struct create_args *a, struct err *e)
{
	int rc = 0;

	if (!a->file)
		return 0;
	if (!a->config) {
		a->config = malloc(CONFIG_MAX);
		rc = a->config ? read_config(a->file, a->config, &a->config_len, e)
			       : err_set(e, ENOMEM, "out of memory");
	}
	if (rc < 0)
		return rc;
	wire_bytes(w, PROTO_CONFIG, a->config, (uint32_t)a->config_len);
	wire_text(w, PROTO_CONFIG_NAME, strcmp(a->file, "-") == 0 ? "standard input" : a->file);
	return 0;
}

/* The file is opened here, with the caller's rights, and passed to the daemon. */
static int add_file(struct wire_out *w, const char *key, const char *path, enum proto_id id,
		    int *fds, uint32_t *nfd, struct err *e)
{
	char set[4200];

	if (!path)
		return 0;
	if (snprintf(set, sizeof(set), "%s=%s", key, path) >= (int)sizeof(set))
		return err_set(e, ENAMETOOLONG, "%s: the path is too long", key);
	if (strncmp(path, "image:", 6) == 0) { /* the daemon's own */
		wire_text(w, PROTO_SET, set);
		return 0;
	}
	fds[*nfd] = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fds[*nfd] < 0)
		return err_sys(e, errno, "%s \"%s\"", key, path);
	wire_text(w, PROTO_SET, set);
	wire_u32(w, id, *nfd);
	(*nfd)++;
	return 0;
}

/* A copy of a snapshot. */
static int send_from(struct client *c, const struct create_args *a, const char *name, struct err *e)
{
	struct wire_out w;

	client_begin(c, &w, PROTO_REQ_CREATE_FROM);
	wire_text(&w, PROTO_WHAT, a->from);
	wire_text(&w, PROTO_NAME, name);
	wire_u32(&w, PROTO_FLAGS, a->flags);
	if (a->from_vif)
		wire_text(&w, PROTO_SET, a->from_vif);
	return client_send(c, &w, NULL, 0, e);
}

/* Sends the request for a VM with that name; NULL: as the options say. */
static int send_create(struct client *c, struct create_args *a, const char *name, struct err *e)
{
	char cwd[4096];
	char set[256];
	struct wire_out w;
	int fds[2];
	uint32_t nfd = 0;
	int rc;

	if (a->from)
		return send_from(c, a, name, e);
	client_begin(c, &w, PROTO_REQ_CREATE);
	if (getcwd(cwd, sizeof(cwd)))
		wire_text(&w, PROTO_CWD, cwd);
	wire_u32(&w, PROTO_FLAGS, a->flags);
	rc = add_config(&w, a, e);
	for (int i = 0; i < a->noverride; i++)
		wire_text(&w, PROTO_OVERRIDE, a->override[i]);
	for (int i = 0; i < a->nset; i++)
		wire_text(&w, PROTO_SET, a->set[i]);
	if (name && snprintf(set, sizeof(set), "name=%s", name) < (int)sizeof(set))
		wire_text(&w, PROTO_SET, set);
	else if (name)
		rc = err_set(e, ENAMETOOLONG, "name: more than %zu bytes",
			     sizeof(set) - sizeof("name="));
	for (int i = 0; i < a->nignore; i++)
		wire_text(&w, PROTO_IGNORE, a->ignore[i]);
	if (rc == 0)
		rc = add_file(&w, "kernel", a->kernel, PROTO_KERNEL_FD, fds, &nfd, e);
	if (rc == 0)
		rc = add_file(&w, "ramdisk", a->ramdisk, PROTO_RAMDISK_FD, fds, &nfd, e);
	if (rc == 0)
		rc = client_send(c, &w, fds, nfd, e);
	for (uint32_t i = 0; i < nfd; i++)
		(void)close(fds[i]);
	return rc;
}

/* --- the answer --- */

struct answer {
	const struct create_args *a;
	json_t *times;
	json_t *devices; /* of a copy that has booted in the pool; NULL: not in the answer */
};

static int on_item(const struct wire_in *in, void *arg)
{
	struct answer *x = arg;
	char text[512];

	if (wire_get_text(in, PROTO_WARNING, text, sizeof(text))) {
		(void)fprintf(stderr, "chaos: warning: %s\n", text);
	} else if (wire_get_text(in, PROTO_TIME, text, sizeof(text))) {
		char *eq = strchr(text, '=');

		if (!eq)
			return 0;
		*eq = '\0';
		if (x->a->json)
			(void)json_object_set_new(x->times, text,
						  json_real(strtod(eq + 1, NULL) / 1000));
		else
			printf("%-8s %9.1f us\n", text, strtod(eq + 1, NULL) / 1000);
	}
	return 0;
}

static void add_way(const struct create_args *a, const struct wire_in *in, json_t *times)
{
	char way[16] = "";
	char why[128] = "";

	(void)wire_get_text(in, PROTO_WAY, way, sizeof(way));
	(void)wire_get_text(in, PROTO_WHY, why, sizeof(why));
	if (!a->json) {
		printf("%-8s %s%s%s\n", "way", way, *why ? ": " : "", why);
		return;
	}
	(void)json_object_set_new(times, "way", text_json(way));
	(void)json_object_set_new(times, "why", text_json(why));
}

/* What it has got of its flavor. */
static void tell_devices(const struct create_args *a, const struct wire_in *in, struct answer *x)
{
	struct chaos_device d;

	for (uint32_t i = 0; decode_device(in, i, &d); i++) {
		if (!a->json && a->flags & PROTO_F_TIMINGS && *d.mac)
			printf("%-8s %s %s\n", d.kind, d.mac, d.ip);
		if (!a->json)
			continue;
		if (!x->devices)
			x->devices = json_array();
		(void)json_array_append_new(x->devices, device_json(&d));
	}
}

/* Waits for the answer; on a terminal it prints a line if that takes long. */
static int receive_create(struct client *c, const struct create_args *a, struct chaos_vm *v,
			  struct answer *x, struct err *e)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	struct wire_in in;
	int rc;

	if (!a->quiet && isatty(2) && poll(&p, 1, PATIENCE_MS) == 0)
		(void)fprintf(stderr, "chaos: building the VM...\n");
	rc = client_finish(c, &in, on_item, x, e);
	if (rc == 0 && (a->flags & PROTO_F_TIMINGS))
		add_way(a, &in, x->times);
	if (rc == 0)
		tell_devices(a, &in, x);
	if (rc == 0 && !decode_vm(&in, v))
		rc = err_set(e, EPROTO, "the answer of chaosd has no VM in it");
	return rc;
}

static int print_created(const struct create_args *a, const struct chaos_vm *v,
			 const struct answer *x)
{
	json_t *j;

	if (a->quiet)
		return EXIT_DONE;
	if (!a->json) {
		printf("%s\n", v->name);
		return EXIT_DONE;
	}
	j = vm_json(v);
	if (a->flags & PROTO_F_TIMINGS)
		(void)json_object_set(j, "timings_us", x->times);
	if (x->devices)
		(void)json_object_set(j, "devices", x->devices);
	return print_json(j) < 0 ? EXIT_FAILED : EXIT_DONE;
}

int create_one(struct create_args *a, struct client *c, struct chaos_vm *v)
{
	struct err e = {0};
	struct answer x = {.a = a, .times = a->json ? json_object() : NULL};
	int rc = client_open(c, NULL, &e);

	if (rc == 0)
		rc = send_create(c, a, a->name, &e);
	if (rc == 0)
		rc = receive_create(c, a, v, &x, &e);
	if (rc == 0 && print_created(a, v, &x) != EXIT_DONE)
		rc = err_set(&e, EIO, "cannot write to standard output");
	json_decref(x.times);
	json_decref(x.devices);
	return rc < 0 ? failed(&e) : EXIT_DONE;
}

/* --- many --- */

/* number of open requests at a time */
#define WINDOW 8u

struct many {
	struct create_args *a;
	uint32_t sent, done, failed;
	json_t *json;
};

static int send_next(struct client *c, struct many *m, struct err *e)
{
	char name[192];

	m->sent++;
	if (!m->a->name)
		return send_create(c, m->a, NULL, e);
	(void)snprintf(name, sizeof(name), "%.160s-%u", m->a->name, m->sent);
	return send_create(c, m->a, name, e);
}

static void take_answer(struct many *m, const struct wire_in *in)
{
	struct chaos_vm v;

	m->done++;
	if (!decode_vm(in, &v))
		return;
	if (m->json)
		(void)json_array_append_new(m->json, vm_json(&v));
	else if (!m->a->quiet)
		printf("%s\n", v.name);
}

/* A frame of any answer. A failure is printed, each text once, and the other VMs are still
 * created. */
static int receive_next(struct client *c, struct many *m, char *told, size_t room, struct err *e)
{
	char text[512];
	struct wire_in in = {.h.op = 0};
	int rc = client_receive(c, &in, e);

	if (rc < 0 && in.h.op != PROTO_ERROR)
		return rc;
	if (rc < 0) {
		m->done++;
		m->failed++;
		if (strcmp(told, err_msg(e)) != 0)
			(void)failed(e);
		(void)snprintf(told, room, "%s", err_msg(e));
		*e = (struct err){0};
	} else if (in.h.op == PROTO_OK) {
		take_answer(m, &in);
	} else if (wire_get_text(&in, PROTO_WARNING, text, sizeof(text)) && m->done == 0) {
		(void)fprintf(stderr, "chaos: warning: %s\n", text);
	}
	return 0;
}

int create_many(struct create_args *a)
{
	struct many m = {.a = a, .json = a->json && !a->quiet ? json_array() : NULL};
	struct client c = {.fd = -1};
	struct err e = {0};
	char told[512] = "";
	int rc = client_open(&c, NULL, &e);

	while (rc == 0 && m.done < a->count) {
		if (m.sent < a->count && m.sent - m.done < WINDOW)
			rc = send_next(&c, &m, &e);
		else
			rc = receive_next(&c, &m, told, sizeof(told), &e);
	}
	client_close(&c);
	if (m.json && print_json(m.json) < 0 && rc == 0)
		rc = err_set(&e, EIO, "cannot write to standard output");
	if (rc < 0)
		return failed(&e);
	if (m.failed)
		(void)fprintf(stderr, "chaos: %u of %u VMs could not be created\n", m.failed,
			      a->count);
	return m.failed ? EXIT_FAILED : EXIT_DONE;
}
