/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos-api as a process, between many HTTP clients and a chaosd that takes no request while its
 * answers are not read. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "split-toolstack/libchaos/chaos.h"
#include "split-toolstack/protocol/wire.h"

/* A guard against hanging for ever, no more. */
#define GUARD_MS 60000
#define ITEMS	 64u /* of a list, about 1 KiB each */

static char dir[64];
static char daemon_path[100], api_path[100];
static int daemon_fd;
static pid_t api;
static pthread_t stub;

/* --- chaosd --- */

static void send_frame(int fd, struct wire_out *w)
{
	(void)send(fd, w->buf, wire_end(w), MSG_NOSIGNAL);
}

static void answer(int fd, const struct wire_in *in)
{
	static __thread uint8_t buf[PROTO_FRAME_MAX];
	struct wire_out w;
	char text[900];

	if (in->h.op == PROTO_REQ_LIST) {
		memset(text, 'x', sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		for (uint32_t i = 0; i < ITEMS; i++) {
			uint32_t mark;

			wire_begin(&w, buf, sizeof(buf), PROTO_ITEM, in->h.tag);
			mark = wire_open(&w, PROTO_VM);
			wire_text(&w, PROTO_NAME, "web");
			wire_text(&w, PROTO_CMDLINE, text);
			wire_text(&w, PROTO_KERNEL, "/srv/\xff\xc3\xa4");
			wire_close(&w, mark);
			send_frame(fd, &w);
		}
	} else if (in->h.op == PROTO_REQ_INFO) {
		if (!wire_get_text(in, PROTO_WHAT, text, sizeof(text)))
			text[0] = '\0';
		wire_begin(&w, buf, sizeof(buf), PROTO_ERROR, in->h.tag);
		wire_u32(&w, PROTO_CODE, ESRCH);
		wire_text(&w, PROTO_TEXT, text);
		send_frame(fd, &w);
		return;
	}
	wire_begin(&w, buf, sizeof(buf), PROTO_OK, in->h.tag);
	wire_text(&w, PROTO_XEN, "4.17");
	wire_text(&w, PROTO_STORE, "own");
	send_frame(fd, &w);
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	static __thread uint8_t buf[PROTO_FRAME_MAX];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		struct wire_in in;

		if (wire_parse(&in, buf, (size_t)n) == 0)
			answer(fd, &in);
	}
	(void)close(fd);
	return NULL;
}

static void *accept_all(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept(daemon_fd, NULL, NULL)) >= 0) {
		pthread_t t;

		if (pthread_create(&t, NULL, serve, (void *)(intptr_t)fd) == 0)
			(void)pthread_detach(t);
	}
	return NULL;
}

static int bound(const char *path, int type)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

/* --- HTTP clients --- */

struct http {
	int fd;
	char *text;
	size_t len;
	bool over;
};

static int connected(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", api_path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void get(struct http *h, const char *path)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);

	*h = (struct http){.fd = connected()};
	assert_true(h->fd >= 0);
	assert_int_equal(write(h->fd, text, (size_t)n), n);
	(void)fcntl(h->fd, F_SETFL, O_NONBLOCK);
}

static void read_some(struct http *h)
{
	char buf[65536];
	ssize_t n = read(h->fd, buf, sizeof(buf));

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		h->over = true;
		return;
	}
	h->text = realloc(h->text, h->len + (size_t)n + 1);
	assert_non_null(h->text);
	memcpy(h->text + h->len, buf, (size_t)n);
	h->len += (size_t)n;
	h->text[h->len] = '\0';
}

/* Until all have their whole answer. */
static void finish(struct http *h, uint32_t n)
{
	struct pollfd *p = calloc(n, sizeof(*p));
	uint32_t left = n;

	assert_non_null(p);
	while (left) {
		for (uint32_t i = 0; i < n; i++)
			p[i] = (struct pollfd){h[i].over ? -1 : h[i].fd, POLLIN, 0};
		if (poll(p, n, GUARD_MS) <= 0)
			fail_msg("%u of %u requests have no answer", left, n);
		for (uint32_t i = 0; i < n; i++) {
			if (!p[i].revents)
				continue;
			read_some(&h[i]);
			left -= h[i].over;
		}
	}
	free(p);
}

static void done(struct http *h)
{
	(void)close(h->fd);
	free(h->text);
}

/* The body of an answer with this status, as JSON. */
static json_t *body(const struct http *h, int status)
{
	char head[32];
	const char *text = h->text ? h->text : "";
	const char *at;
	json_t *j;

	(void)snprintf(head, sizeof(head), "HTTP/1.1 %d ", status);
	if (strncmp(text, head, strlen(head)) != 0)
		fail_msg("%.200s", text);
	at = strstr(text, "\r\n\r\n");
	assert_non_null(at);
	j = json_loads(at + 4, 0, NULL);
	if (!j)
		fail_msg("no JSON: \"%.100s\"", at + 4);
	return j;
}

/* As systemd starts it, with its socket: a client that connects waits in the kernel until it is
 * ready. */
static void start_api(int listener)
{
	char pid[16];

	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (setenv("LISTEN_PID", pid, 1) == 0 && setenv("LISTEN_FDS", "1", 1) == 0 &&
	    (listener == 3 ? fcntl(3, F_SETFD, 0) : dup2(listener, 3)) >= 0)
		(void)execl(API_EXE, API_EXE, "-g", "", "-c", daemon_path, (char *)NULL);
	_exit(127);
}

static int setup(void **state)
{
	struct rlimit l;
	int listener;

	(void)state;
	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(dir, sizeof(dir), "/tmp/chaos-api-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(daemon_path, sizeof(daemon_path), "%s/chaosd", dir);
	(void)snprintf(api_path, sizeof(api_path), "%s/api", dir);
	daemon_fd = bound(daemon_path, SOCK_SEQPACKET);
	listener = bound(api_path, SOCK_STREAM);
	assert_int_equal(pthread_create(&stub, NULL, accept_all, NULL), 0);
	api = fork();
	if (api == 0)
		start_api(listener);
	return api > 0 ? close(listener) : -1;
}

static int teardown(void **state)
{
	char command[128];
	int status = -1;

	(void)state;
	(void)kill(api, SIGTERM);
	(void)waitpid(api, &status, 0);
	(void)shutdown(daemon_fd, SHUT_RDWR);
	(void)pthread_join(stub, NULL);
	(void)close(daemon_fd);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 && status == 0 ? 0 : -1;
}

#define PARALLEL 1000

static void many_lists_at_a_time_are_all_answered(void **state)
{
	static struct http h[PARALLEL];

	(void)state;
	for (int i = 0; i < PARALLEL; i++)
		get(&h[i], "/v1/vms");
	finish(h, PARALLEL);
	for (int i = 0; i < PARALLEL; i++) {
		json_t *j = body(&h[i], 200);

		assert_int_equal(json_array_size(j), ITEMS);
		json_decref(j);
		done(&h[i]);
	}
}

/* Goes on with requests that have begun, a byte of each at a time, until it is told to end. Its
 * pace decides nothing: without a byte they would be as slow. */
#define PACE_MS 500

static int drip_ends; /* an eventfd */

static void *drip(void *arg)
{
	const int *fd = arg;
	struct pollfd ends = {.fd = drip_ends, .events = POLLIN};

	while (poll(&ends, 1, PACE_MS) == 0)
		for (int i = 0; i < 1024; i++)
			(void)send(fd[i], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return NULL;
}

static void slow_clients_keep_nobody_out(void **state)
{
	static const char begun[] = "GET /v1/host HTTP/1.1\r\nX: ";
	static int fd[1024];
	struct http h;
	pthread_t t;

	(void)state;
	for (int i = 0; i < 1024; i++) {
		fd[i] = connected();
		assert_true(fd[i] >= 0);
		assert_int_equal(write(fd[i], begun, sizeof(begun) - 1), sizeof(begun) - 1);
	}
	drip_ends = eventfd(0, EFD_CLOEXEC);
	assert_true(drip_ends >= 0);
	assert_int_equal(pthread_create(&t, NULL, drip, fd), 0);
	for (int i = 0; i < 30; i++) {
		get(&h, "/v1/host");
		finish(&h, 1);
		json_decref(body(&h, 200));
		done(&h);
	}
	assert_int_equal(eventfd_write(drip_ends, 1), 0);
	(void)pthread_join(t, NULL);
	(void)close(drip_ends);
	for (int i = 0; i < 1024; i++)
		(void)close(fd[i]);
}

static void any_bytes_can_be_told(void **state)
{
	const char *text;
	struct http h;
	json_t *j;

	(void)state;
	get(&h, "/v1/vms/%ff%c3%a4%ed%a0%80%f0%9f%90%8b%e2%82");
	finish(&h, 1);
	j = body(&h, 404);
	text = json_string_value(json_object_get(j, "detail"));
	assert_string_equal(text, "\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
				  "\xf0\x9f\x90\x8b\xef\xbf\xbd\xef\xbf\xbd");
	json_decref(j);
	done(&h);
	get(&h, "/v9/%ff"); /* of chaos-api itself */
	finish(&h, 1);
	j = body(&h, 404);
	assert_string_equal(json_string_value(json_object_get(j, "detail")), "/v9/\xef\xbf\xbd");
	json_decref(j);
	done(&h);
	get(&h, "/v1/vms");
	finish(&h, 1);
	j = body(&h, 200);
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 0), "kernel")),
			    "/srv/\xef\xbf\xbd\xc3\xa4");
	json_decref(j);
	done(&h);
}

/* A program that sends and sends before it receives; every tenth with a file. */
static void libchaos_waits_for_nothing_when_it_sends(void **state)
{
	static struct chaos_reply r;
	struct chaos_request rq;
	struct chaos_error e = {0};
	struct chaos *c = NULL;
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uint32_t lasts = 0;

	(void)state;
	assert_int_equal(chaos_open(&c, daemon_path, &e), 0);
	for (uint32_t i = 0; i < PARALLEL; i++) {
		chaos_request_init(&rq, i % 10 ? CHAOS_LIST : CHAOS_IMAGE_IMPORT);
		rq.name = "a";
		rq.kernel_fd = i % 10 ? -1 : file;
		assert_int_equal(chaos_send(c, &rq, NULL, &e), 0);
	}
	assert_int_equal(chaos_flush(c, &e), 1);
	(void)close(file);
	while (lasts < PARALLEL) {
		int rc = chaos_receive(c, &r, GUARD_MS, &e);

		if (rc < 0)
			fail_msg("%u of %u: %d %s", lasts, PARALLEL, rc, e.message);
		lasts += r.last;
	}
	assert_int_equal(chaos_flush(c, &e), 0);
	assert_int_equal(chaos_receive(c, &r, 0, &e), -EAGAIN);
	chaos_close(c);
}

#define API(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		API(many_lists_at_a_time_are_all_answered),
		API(slow_clients_keep_nobody_out),
		API(any_bytes_can_be_told),
		API(libchaos_waits_for_nothing_when_it_sends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
