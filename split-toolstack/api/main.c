/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos-api: options, socket, loop. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define API_SOCKET "/run/chaos/api.sock"

static const char help[] =
	"usage: chaos-api [OPTION]...\n"
	"\n"
	"HTTP and JSON in front of chaosd, on a Unix socket. Needs no rights but those on "
	"chaosd's\n"
	"socket. Stays in the foreground.\n"
	"\n"
	"  -s, --socket PATH    listen there (" API_SOCKET ")\n"
	"  -g, --group NAME     whose members may connect (chaos; \"\": nobody else)\n"
	"  -c, --chaosd PATH    chaosd's socket ($CHAOS_SOCKET, or /run/chaos/chaosd.sock)\n"
	"      --openapi        print the description of the API and end\n"
	"  -V, --version\n"
	"  -h, --help\n"
	"\n"
	"chaos-api(7) shows the API with curl.\n";

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

static int fail(const char *what, const char *which)
{
	(void)fprintf(stderr, "chaos-api: %s %s: %s\n", what, which, strerror(errno));
	return -1;
}

static int listen_on(const struct args *a)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const struct group *g = *a->group ? getgrnam(a->group) : NULL;
	int fd;

	if (strlen(a->socket) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return fail("socket", a->socket);
	}
	(void)memcpy(un.sun_path, a->socket, strlen(a->socket) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail("socket", a->socket);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0) {
		(void)fprintf(stderr, "chaos-api: another one listens on %s\n", a->socket);
		return -1;
	}
	if (errno == ECONNREFUSED)
		(void)unlink(a->socket);
	(void)umask(0177);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		return fail("socket", a->socket);
	if (*a->group && !g)
		(void)fprintf(stderr,
			      "chaos-api: group \"%s\" does not exist: only this user may "
			      "connect\n",
			      a->group);
	if (g && chown(a->socket, (uid_t)-1, g->gr_gid) < 0)
		return fail("group of", a->socket);
	if (chmod(a->socket, g ? 0660 : 0600) < 0 || listen(fd, 512) < 0)
		return fail("socket", a->socket);
	return fd;
}

/* sd_listen_fds(3) without the library. */
static int passed_socket(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *n = getenv("LISTEN_FDS");

	if (!pid || !n || strtol(pid, NULL, 10) != (long)getpid() || strcmp(n, "1") != 0)
		return -1;
	return 3;
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void raise_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

int main(int argc, char **argv)
{
	struct args args = {.socket = API_SOCKET, .group = "chaos"};
	struct api a = {0};
	struct chaos_error e = {0};
	ev_signal term;
	ev_signal intr;
	int passed = passed_socket();
	int fd;

	read_args(argc, argv, &args);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN); /* of a terminal that closes */
	raise_files();
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
