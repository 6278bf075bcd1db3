/* SPDX-License-Identifier: BSD-3-Clause */
/* console: the terminal on one side, frames on the other. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "chaos/cli.h"

#define DETACH 0x1d /* ^] */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

void catch_interrupts(void)
{
	struct sigaction a = {.sa_handler = on_interrupt}; /* no SA_RESTART: poll() must return */

	(void)sigaction(SIGINT, &a, NULL);
	(void)sigaction(SIGTERM, &a, NULL);
}

static struct termios before;
static bool raw;

static void restore(void)
{
	if (raw)
		(void)tcsetattr(0, TCSADRAIN, &before);
	raw = false;
}

static void make_raw(void)
{
	struct termios t;

	if (!isatty(0) || tcgetattr(0, &before) < 0)
		return;
	t = before;
	cfmakeraw(&t);
	t.c_oflag |= OPOST; /* the guest's bare newlines look right */
	if (tcsetattr(0, TCSADRAIN, &t) == 0) {
		raw = true;
		(void)atexit(restore);
	}
}

static int show(const struct wire_in *in, struct err *e)
{
	uint64_t lost = wire_get_u64(in, PROTO_LOST, 0);
	struct wire_field f;
	char text[256];

	if (wire_get_text(in, PROTO_WARNING, text, sizeof(text)))
		(void)fprintf(stderr, "chaos: %s\n", text);
	if (lost)
		(void)fprintf(stderr, "chaos: %" PRIu64 " bytes of output are not kept any more\n",
			      lost);
	if (!wire_find(in, PROTO_DATA, &f))
		return 0;
	for (uint32_t done = 0; done < f.len;) {
		ssize_t n = write(1, f.data + done, f.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "write to standard output");
		done += (uint32_t)n;
	}
	return 0;
}

/* 1: detached; 2: no more input. */
static int pass_input(struct client *c, uint32_t tag, struct err *e)
{
	char buf[512];
	struct wire_out w;
	char *end;
	ssize_t n = read(0, buf, sizeof(buf));
	int rc = 0;

	if (n < 0)
		return errno == EINTR ? 0 : err_sys(e, errno, "read standard input");
	if (n == 0)
		return 2;
	end = raw ? memchr(buf, DETACH, (size_t)n) : NULL;
	wire_begin(&w, c->out, PROTO_FRAME_MAX, PROTO_REQ_INPUT, tag);
	wire_bytes(&w, PROTO_DATA, buf, (uint32_t)(end ? end - buf : n));
	if (!end || end > buf)
		rc = client_send(c, &w, NULL, 0, e);
	return rc < 0 ? rc : end ? 1 : 0;
}

int stream_console(struct client *c, const char *what, uint32_t flags, bool *ended,
		   struct chaos_vm *last, struct err *e)
{
	struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
	nfds_t n = flags & PROTO_F_INPUT ? 2 : 1;
	int rc = ask(c, PROTO_REQ_CONSOLE, what, flags, e);
	uint32_t tag = c->tag;

	*ended = false;
	if (rc < 0)
		return rc;
	if (n == 2)
		make_raw();
	for (;;) {
		struct wire_in in;

		rc = poll(p, n, -1);
		if (interrupted) {
			rc = err_set(e, EINTR, "interrupted");
			break;
		}
		if (rc < 0 && errno != EINTR)
			rc = err_sys(e, errno, "wait for chaosd");
		if (rc > 0 && p[0].revents) {
			rc = client_receive(c, &in, e);
			if (rc == 0 && in.h.op == PROTO_OK) {
				*ended = decode_vm(&in, last);
				break;
			}
			if (rc == 0)
				rc = show(&in, e);
		}
		if (rc >= 0 && n == 2 && p[1].revents) {
			rc = pass_input(c, tag, e);
			if (rc == 1)
				break;
			if (rc == 2)
				n = 1;
		}
		if (rc < 0)
			break;
	}
	restore();
	return rc < 0 ? rc : 0;
}

static int run_console(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"log", no_argument, NULL, 'l'},
					      {"follow", no_argument, NULL, 'f'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct client client = {.fd = -1};
	struct err e = {0};
	struct chaos_vm v;
	uint32_t flags = 0;
	bool ended = false;
	int rc;
	int c;

	while ((c = next_option(cmd, argc, argv, ":lfh", longs)) != -1)
		flags |= c == 'l' ? PROTO_F_LOG : PROTO_F_FOLLOW;
	if (argc - optind != 1)
		return usage(cmd, "name one VM");
	if ((flags & PROTO_F_FOLLOW) && !(flags & PROTO_F_LOG))
		return usage(cmd, "--follow needs --log");
	if (!flags) {
		flags = PROTO_F_FOLLOW | PROTO_F_INPUT;
		if (isatty(0))
			(void)fprintf(stderr, "chaos: console of \"%s\"; ^] detaches\n",
				      argv[optind]);
	}
	rc = client_open(&client, NULL, &e);
	if (rc == 0)
		rc = stream_console(&client, argv[optind], flags, &ended, &v, &e);
	client_close(&client);
	if (rc < 0)
		return failed(&e);
	if (ended && (flags & PROTO_F_INPUT) && isatty(2))
		(void)fprintf(stderr, "\nchaos: \"%s\" %s\n", v.name,
			      strcmp(v.state, "asleep") == 0 ? "is asleep" : "has ended");
	return EXIT_DONE;
}

static const char console_help[] =
	"Attaches to the console of a VM; ^] detaches. --log also works after the VM has ended.\n"
	"\n"
	"  -l, --log               print the console log\n"
	"  -f, --follow            with --log: continue with new output until the VM ends\n";

const struct command cmd_console = {
	.name = "console",
	.args = "[OPTION]... VM",
	.what = "attach to a console, or print its log",
	.help = console_help,
	.run = run_console,
};
