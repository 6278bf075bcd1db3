/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos-api: options, socket, loop. */
#include "split-toolstack/api/api.h"

#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/service.h"
#include "base/unix.h"

#define API_SOCKET "/run/chaos/api.sock"

static const char help[] =
	"usage: chaos-api [OPTION]...\n"
	"\n"
	"Serves the HTTP API of chaosd on a Unix socket. Needs no rights except access to "
	"chaosd's\n"
	"socket. Stays in the foreground. systemd starts it: systemctl enable --now "
	"chaos-api.socket\n"
	"\n"
	"  -s, --socket PATH    the socket to listen on (" API_SOCKET ")\n"
	"  -g, --group NAME     the group whose members may connect (chaos; \"\": no group)\n"
	"  -c, --chaosd PATH    chaosd's socket ($CHAOS_SOCKET, or /run/chaos/chaosd.sock)\n"
	"      --openapi        print the OpenAPI description and exit\n"
	"  -V, --version\n"
	"  -h, --help\n"
	"\n"
	"chaos-api(7) describes the API, with examples for curl.\n";

struct args {
	const char *socket, *group, *chaosd;
};

static void read_args(int argc, char **argv, struct args *a)
{
	static const struct option longs[] = {{"socket", required_argument, NULL, 's'},
					      {"group", required_argument, NULL, 'g'},
					      {"chaosd", required_argument, NULL, 'c'},
					      {"openapi", no_argument, NULL, 'o'},
					      {"version", no_argument, NULL, 'V'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "s:g:c:Vh", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			a->socket = optarg;
			break;
		case 'g':
			a->group = optarg;
			break;
		case 'c':
			a->chaosd = optarg;
			break;
		case 'o':
			(void)fwrite(openapi_json, 1, openapi_len, stdout);
			exit(0);
		case 'V':
			printf("chaos-api %s\n", CHAOS_VERSION);
			exit(0);
		case 'h':
			(void)fputs(help, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr,
			      "chaos-api: \"%s\": an argument too many; see chaos-api --help\n",
			      argv[optind]);
		exit(2);
	}
}

static int listen_on(const struct args *a)
{
	const struct group *g = *a->group ? getgrnam(a->group) : NULL;
	struct unix_listener l = {.path = a->socket,
				  .type = SOCK_STREAM,
				  .backlog = 512,
				  .group = g ? g->gr_gid : UNIX_NO_GROUP};
	struct err e = {0};
	int fd;

	if (*a->group && !g)
		(void)fprintf(stderr,
			      "chaos-api: group \"%s\" does not exist: only this user may "
			      "connect\n",
			      a->group);
	fd = unix_listen(&l, &e);
	if (fd < 0)
		(void)fprintf(stderr, "chaos-api: %s\n", err_msg(&e));
	return fd;
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
	struct args args = {.socket = API_SOCKET, .group = "chaos"};
	struct api a = {0};
	struct chaos_error e = {0};
	ev_signal term;
	ev_signal intr;
	int passed = service_socket();
	int fd;

	read_args(argc, argv, &args);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN); /* of a terminal that closes */
	service_raise_files();
	fd = passed >= 0 ? passed : listen_on(&args);
	if (fd < 0)
		return 1;
	a.chaosd = args.chaosd;
	a.loop = ev_loop_new(EVFLAG_AUTO);
	if (!a.loop || http_open(&a, fd, &e) < 0) {
		(void)fprintf(stderr, "chaos-api: %s\n", a.loop ? e.message : "out of memory");
		return 1;
	}
	ev_signal_init(&term, on_signal, SIGTERM);
	ev_signal_init(&intr, on_signal, SIGINT);
	ev_signal_start(a.loop, &term);
	ev_signal_start(a.loop, &intr);
	(void)fprintf(stderr, "level=info chaos-api %s is up: socket=%s\n", CHAOS_VERSION,
		      args.socket);
	ev_run(a.loop, 0);
	backend_close(&a);
	http_close(&a);
	if (passed < 0)
		(void)unlink(args.socket);
	ev_loop_destroy(a.loop);
	return 0;
}
