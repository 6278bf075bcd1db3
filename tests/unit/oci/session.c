/* SPDX-License-Identifier: BSD-3-Clause */
/* What a hostile guest can make of the monitor's queue and output; how it ends when a VM cannot be
 * told what it is to do. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oci/channel.h"
#include "oci/control.h"
#include "oci/linux.h"
#include "oci/requests.h"
#include "oci/session.h"
#include "oci/vm.h"

#define PIECE 1000u

/* --- in place of chaosd, of the ring and of engines --- */

static unsigned int destroyed;

int vm_ask(enum chaos_op op, uint32_t flags, const char *uuid, struct err *e)
{
	(void)flags;
	(void)uuid;
	(void)e;
	destroyed += op == CHAOS_DESTROY;
	return 0;
}

int vm_kill(const char *uuid, int number, int *killed, struct err *e)
{
	(void)uuid;
	(void)e;
	*killed = number;
	return 0;
}

static void to_guest(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	(void)bytes;
	(void)len;
}

const struct link_ops channel_link_ops = {.out = to_guest};

void channel_connect(struct linux_monitor *m)
{
	m->ended = true;
}

void channel_hang_up(struct linux_monitor *m)
{
	(void)m;
}

void channel_read(struct linux_monitor *m)
{
	(void)m;
}

void ring_count(struct linux_monitor *m, size_t n)
{
	(void)m;
	(void)n;
}

void ring_message(struct linux_monitor *m, uint8_t type, const uint8_t *data, size_t len)
{
	(void)m;
	(void)type;
	(void)data;
	(void)len;
}

void ring_serve(struct linux_monitor *m)
{
	(void)m;
}

void ring_sleep(struct linux_monitor *m)
{
	(void)m;
}

void ring_close(struct linux_monitor *m)
{
	(void)m;
}

bool ring_has_room(struct linux_monitor *m)
{
	(void)m;
	return true;
}

ssize_t ring_read(struct linux_monitor *m, int fd, uint8_t session, uint32_t most)
{
	(void)m;
	(void)fd;
	(void)session;
	(void)most;
	return -EAGAIN;
}

static int said;

void control_say(int fd, int rc, const struct err *e)
{
	(void)fd;
	(void)e;
	said = rc;
}

void control_serve(int listener, control_fn *fn, void *ctx)
{
	(void)listener;
	(void)fn;
	(void)ctx;
}

int control_unknown(const struct control_request *rq, struct err *e)
{
	(void)rq;
	return err_set(e, EINVAL, "unknown");
}

int monitor_open_signals(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int monitor_signal(int fd)
{
	(void)fd;
	return SIGWINCH;
}

/* --- output --- */

/* A process whose output is read, in a VM whose agent has answered once. */
static void begin(struct linux_monitor *m, int fd)
{
	uint8_t number = 0;

	memset(m, 0, sizeof(*m));
	link_init(&m->agent.link, true, &channel_link_ops, m);
	m->agent.link.up = true;
	assert_non_null(session_new(m, &number));
	session_set_output(m->session[0], 0, fd);
	m->session[0]->runs = true;
}

static void end(struct linux_monitor *m)
{
	agent_clear(&m->agent);
	assert_int_equal(m->agent.waits, 0);
	session_free(m, 0);
}

static void take_all(struct linux_monitor *m)
{
	m->agent.link.acked = m->agent.link.next;
	m->agent.link.flying = 0;
	(void)agent_pump(&m->agent);
}

static void say_output(struct linux_monitor *m, size_t len)
{
	static const uint8_t data[PIECE] = "x";

	session_message(m, LINK_OUTPUT, 0, data, len);
	if (m->session[0]->out[0].len)
		session_to_engine(m, 0, 0);
	session_tell_room(m, 0, 0);
}

/* With what the link itself keeps it gets room some times; then nothing more waits for it. */
static void check_hostile(int fd)
{
	struct linux_monitor m;
	unsigned int n = 0;

	begin(&m, fd);
	for (; !m.ended && n < 20000; n++) {
		say_output(&m, PIECE);
		assert_true(m.agent.waits <= 64);
	}
	assert_true(m.ended && m.failed);
	assert_int_equal(m.code, 137);
	assert_int_equal(m.why.code, EPROTO);
	assert_non_null(strstr(m.why.msg, "1000 bytes of output of process 0 with room for "));
	assert_true(n < 20 * LINK_STREAM / PIECE);
	end(&m);
}

static void test_never_takes(void **state)
{
	(void)state;
	check_hostile(open("/dev/null", O_WRONLY | O_CLOEXEC));
	check_hostile(-1);
}

static void test_takes(void **state)
{
	struct linux_monitor m;

	(void)state;
	begin(&m, open("/dev/null", O_WRONLY | O_CLOEXEC));
	for (unsigned int n = 0; n < 20000; n++) {
		const struct output *o = &m.session[0]->out[0];
		size_t len = o->room < PIECE ? o->room : PIECE;

		assert_true(len > 0);
		say_output(&m, len);
		assert_int_equal(o->room + o->owed, LINK_STREAM);
		if (n % 7 == 0)
			take_all(&m);
		session_tell_room(&m, 0, 0);
	}
	assert_false(m.ended);
	end(&m);
}

/* --- what engines say --- */

static void test_signals(void **state)
{
	const uint8_t size[4] = {24, 0, 80, 0};
	struct linux_monitor m;
	size_t most;

	(void)state;
	begin(&m, -1);
	m.agent.link.up = false;
	for (unsigned int i = 0; i < LINK_KEPT; i++)
		assert_true(agent_say(&m.agent, LINK_INPUT, 0, "x", 1));
	for (uint8_t s = 0; s < LINK_SESSIONS; s++)
		for (uint32_t n = 1; n < 65; n++)
			assert_true(agent_say_signal(&m.agent, s, n) &&
				    agent_say_window(&m.agent, s, size));
	most = m.agent.waits;
	for (unsigned int i = 0; i < 1000; i++) {
		assert_true(agent_say_signal(&m.agent, (uint8_t)(i % 16), i % 64 + 1));
		assert_true(agent_say_window(&m.agent, (uint8_t)(i % 16), size));
	}
	assert_int_equal(m.agent.waits, most);
	/* the signal that waits is of what had this number before */
	assert_true(agent_say(&m.agent, LINK_RUN, 3, NULL, 0));
	most = m.agent.waits;
	assert_true(agent_say_signal(&m.agent, 3, SIGKILL));
	assert_true(m.agent.waits > most);
	end(&m);
}

/* The guest says of each that it cannot be started: its number is free again. */
static void test_processes(void **state)
{
	static const char process[] = "{\"args\": [\"x\"], \"env\": [\"A=%01000d\"]}";
	struct linux_monitor m;
	struct err e = {0};
	char text[2000];
	unsigned int n = 0;
	int rc = 0;

	(void)state;
	begin(&m, -1);
	m.agent.link.up = false;
	(void)snprintf(text, sizeof(text), process, 1);
	for (; rc == 0 && n < 20000; n++) {
		struct control_call call = {.rq.op = CONTROL_EXEC, .fd = -1};
		int pair[2];

		for (int i = 0; i < CONTROL_FILES; i++)
			call.files[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		assert_int_equal(pipe(pair), 0);
		assert_int_equal(write(pair[1], text, strlen(text)), strlen(text));
		assert_int_equal(close(pair[1]), 0);
		assert_int_equal(dup2(pair[0], call.files[0]), call.files[0]);
		assert_int_equal(close(pair[0]), 0);
		rc = requests_do(&m, &call, &e);
		for (int i = 0; i < CONTROL_FILES; i++)
			if (call.files[i] >= 0)
				(void)close(call.files[i]);
		if (rc == 0)
			session_message(&m, LINK_FAILED, 1, (const uint8_t *)"no", 2);
		sessions_end_done(&m);
	}
	assert_int_equal(rc, -ETIMEDOUT);
	assert_non_null(strstr(e.msg, "takes no messages"));
	assert_true(m.agent.waits < AGENT_WAITS_MAX + 8192);
	end(&m);
}

/* --- the end --- */

static void test_no_root(void **state)
{
	const struct monitor_stdio io = {.in = -1, .out = -1, .err = -1, .names = -1};
	struct container c = {.dir = -1};
	struct network network = {0};
	struct bundle b = {0};
	struct err e = {0};
	int folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	destroyed = 0;
	assert_int_equal(linux_run(&c, &b, &network, folder, -1, &io, &e), 255);
	assert_string_equal(e.msg, "tell the VM what the container's root is: read the archive of "
				   "the root: Is a directory");
	assert_int_equal(destroyed, 1);
	assert_int_equal(close(folder), 0);
}

/* An archive that cannot be read is not one that ends there. */
static void test_archive(void **state)
{
	struct linux_monitor m;
	uint8_t number = 0;

	(void)state;
	begin(&m, -1);
	assert_non_null(session_new(&m, &number));
	m.session[number]->asks = true;
	m.session[number]->makes = json_pack("{s:s}", "container", "c");
	m.session[number]->in = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	m.session[number]->asker = open("/dev/null", O_RDWR | O_CLOEXEC);
	said = 0;
	session_from_engine(&m, number);
	assert_int_equal(said, -EISDIR);
	assert_int_equal(m.agent.link.next, 0);
	sessions_end_done(&m);
	assert_null(m.session[number]);
	end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_takes), cmocka_unit_test(test_takes),
		cmocka_unit_test(test_signals),	    cmocka_unit_test(test_processes),
		cmocka_unit_test(test_no_root),	    cmocka_unit_test(test_archive)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
