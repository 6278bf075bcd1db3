/* SPDX-License-Identifier: BSD-3-Clause */
/* chaosd: settings, loop, engine, server. SIGTERM ends it; VMs continue. */
#include "split-toolstack/chaosd/settings.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/log.h"
#include "base/service.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/chaosd/reload.h"
#include "split-toolstack/chaosd/server.h"

#define USAGE 2
/* Where libxenstore looks for it. */
#define STORE_SOCKET "/run/xenstored/socket"

static const char help[] =
	"usage: chaosd [OPTION]...\n"
	"\n"
	"The daemon that makes, watches and ends Xen VMs for chaos(1). Stays in the foreground.\n"
	"systemd starts it: systemctl enable --now chaosd\n"
	"\n"
	"  -c, --config FILE      read settings from FILE (" SETTINGS_PATH "; may be missing)\n"
	"  -o, --set KEY=VALUE    change a setting; overrides the file\n"
	"  -s, --socket PATH      --set socket=PATH\n"
	"      --store MODE       --set store=MODE\n"
	"  -l, --log-level LEVEL  --set log_level=LEVEL\n"
	"      --show-config      print the settings in use and exit\n"
	"  -V, --version          print the version and exit\n"
	"  -h, --help             print this text and exit\n"
	"\n"
	"SIGTERM and SIGINT end chaosd; VMs continue, and the next chaosd adopts them. SIGHUP "
	"reads\n"
	"the settings again.\n"
	"\n"
	"Settings (*: SIGHUP changes it; chaosd(8) has the details):\n"
	"\n";

struct args {
	struct settings settings;
	const char *path;
	bool show;
	int argc; /* as main() got them, for a reload */
	char **argv;
};

struct running {
	struct args *args;
	struct engine *en;
};

static int apply(struct args *a, const char *key, const char *value, struct err *e)
{
	return settings_set(&a->settings, key, value, e);
}

static int apply_pair(struct args *a, const char *pair, struct err *e)
{
	const char *eq = strchr(pair, '=');
	char *key;
	int rc;

	if (!eq)
		return err_set(e, EINVAL, "--set \"%s\": not of the form key=value", pair);
	key = strndup(pair, (size_t)(eq - pair)); /* read again by a reload */
	rc = key ? apply(a, key, eq + 1, e) : err_set(e, ENOMEM, "out of memory");
	free(key);
	return rc;
}

enum { OPT_STORE = 256, OPT_SHOW };

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"socket", required_argument, NULL, 's'},
	{"store", required_argument, NULL, OPT_STORE},
	{"log-level", required_argument, NULL, 'l'},
	{"set", required_argument, NULL, 'o'},
	{"show-config", no_argument, NULL, OPT_SHOW},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* The command line overrides the file, so it is searched for the name of the file first. */
static int read_args(int argc, char **argv, bool only_path, struct args *a, struct err *e)
{
	int rc = 0;
	int c;

	optind = 1;
	while (rc == 0 && (c = getopt_long(argc, argv, "c:s:l:o:Vh", options, NULL)) != -1) {
		if (c == '?')
			exit(USAGE);
		if (c == 'h') {
			(void)fputs(help, stdout);
			settings_help(stdout);
			exit(0);
		}
		if (c == 'V') {
			printf("chaosd %s\n", CHAOS_VERSION);
			exit(0);
		}
		if (c == 'c')
			a->path = optarg;
		else if (c == OPT_SHOW)
			a->show = true;
		else if (only_path)
			continue;
		else if (c == 's')
			rc = apply(a, "socket", optarg, e);
		else if (c == OPT_STORE)
			rc = apply(a, "store", optarg, e);
		else if (c == 'l')
			rc = apply(a, "log_level", optarg, e);
		else
			rc = apply_pair(a, optarg, e);
	}
	if (rc == 0 && optind < argc)
		rc = err_set(e, EINVAL, "unexpected argument \"%s\"; see chaosd --help",
			     argv[optind]);
	return rc;
}

/* --- running --- */

static void on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)revents;
	log_line(LOG_INFO, "signal %d: ending; VMs continue", w->signum);
	ev_break(loop, EVBREAK_ALL);
}

/* One daemon for each run directory: the lock ends with the process. */
static int lock_run_dir(const char *dir, int *fd, struct err *e)
{
	char path[512];

	int folder = dir_prepare(dir, true, e);

	if (folder < 0)
		return folder;
	(void)close(folder);
	if (snprintf(path, sizeof(path), "%s/chaosd.lock", dir) >= (int)sizeof(path))
		return err_set(e, ENAMETOOLONG, "run_dir \"%s\": the path is too long", dir);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return err_sys(e, errno, "open %s", path);
	if (flock(*fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, EBUSY, "another chaosd runs already (it holds %s)", path);
	return 0;
}

/* Reads the settings; the command line overrides the file. */
static int read_settings(struct args *a, int *usage, struct err *e)
{
	int rc = settings_init(&a->settings, e);

	if (rc < 0)
		return rc;
	rc = settings_read(&a->settings, a->path, strcmp(a->path, SETTINGS_PATH) == 0, e);
	if (rc == 0)
		*usage = rc = read_args(a->argc, a->argv, false, a, e);
	return rc;
}

/* If the file has a mistake, nothing changes. A terminal that is closed sends this signal, too. */
static void on_reload(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct running *r = w->data;
	struct args fresh = *r->args;
	struct err e = {0};
	int usage = 0;

	(void)loop;
	(void)revents;
	if (read_settings(&fresh, &usage, &e) < 0) {
		log_line(LOG_ERROR, "op=reload: %s; the settings stay as they are", err_msg(&e));
	} else {
		reload_settings(r->en, &r->args->settings, &fresh.settings);
		log_line(LOG_INFO, "op=reload");
	}
	settings_clear(&fresh.settings);
}

static void on_nothing(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)loop;
	(void)revents;
	log_line(LOG_INFO, "signal %d: ignored", w->signum);
}

/* For a host on which systemd-sysusers did not run yet. */
static bool user_exists(const char *name)
{
	struct passwd pw;
	struct passwd *found = NULL;
	char text[1024];

	return getpwnam_r(name, &pw, text, sizeof(text), &found) == 0 && found;
}

static int run(struct args *a, struct err *e)
{
	struct settings *c = &a->settings;
	struct running running = {.args = a};
	struct engine_conf ec = {
		.run_dir = c->run_dir,
		.log_dir = c->log_dir,
		.cache_dir = c->cache_dir,
		.image_dir = c->image_dir,
		.sleep_dir = c->sleep_dir,
		.store = c->store,
		.store_socket = STORE_SOCKET,
		.limits = settings_limits(c),
		.tail_guard = c->tail_guard,
		.backend_exe = c->backend_exe,
		.backend_user = user_exists(c->backend_user) ? c->backend_user : "nobody",
	};
	struct server_conf sc = {.path = c->socket,
				 .group = c->group,
				 .listen_fd = service_socket(),
				 .ops = &operations};
	/* Not the default loop, which would reap children that libdom waits for. */
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct engine *en = NULL;
	struct server *server = NULL;
	static const struct {
		int signum;
		void (*fn)(struct ev_loop *loop, ev_signal *w, int revents);
	} signals[] = {{SIGTERM, on_signal},
		       {SIGINT, on_signal},
		       {SIGHUP, on_reload},
		       {SIGUSR1, on_nothing},
		       {SIGUSR2, on_nothing}};
	ev_signal watch[sizeof(signals) / sizeof(signals[0])];
	const uint32_t nsignal = sizeof(signals) / sizeof(signals[0]);
	int lock = -1;
	int rc;

	if (!loop)
		return err_set(e, ENOMEM, "out of memory");
	(void)signal(SIGPIPE, SIG_IGN);
	service_raise_files();
	/* Keeps heap memory for the next burst of VMs, because growing the heap costs page
	 * faults. */
	(void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
	(void)mallopt(M_TOP_PAD, 1 << 20);
	/* Clients wait until the loop runs. */
	for (uint32_t i = 0; i < nsignal; i++) {
		ev_signal_init(&watch[i], signals[i].fn, signals[i].signum);
		watch[i].data = &running;
		ev_signal_start(loop, &watch[i]);
	}
	rc = lock_run_dir(c->run_dir, &lock, e);
	if (rc == 0)
		rc = engine_open(loop, &ec, &en, e);
	if (rc == 0)
		reload_pool(en, &c->pool);
	if (rc == 0)
		rc = server_open(loop, en, &sc, &server, e);
	if (rc == 0) {
		log_line(LOG_INFO, "chaosd %s is up: socket=%s store=%s", CHAOS_VERSION, c->socket,
			 store_mode_name(engine_store_mode(en)));
		service_notify("READY=1");
		running.en = en;
		ev_run(loop, 0);
		service_notify("STOPPING=1");
	}
	server_close(server);
	engine_close(en);
	for (uint32_t i = 0; i < nsignal; i++)
		ev_signal_stop(loop, &watch[i]);
	ev_loop_destroy(loop);
	if (lock >= 0)
		(void)close(lock);
	return rc;
}

int main(int argc, char **argv)
{
	struct args a = {.path = SETTINGS_PATH, .argc = argc, .argv = argv};
	struct err e = {0};
	int rc = read_args(argc, argv, true, &a, &e);
	int usage = rc;

	if (rc == 0)
		rc = read_settings(&a, &usage, &e);
	if (rc == 0 && a.show) {
		settings_print(&a.settings);
	} else if (rc == 0) {
		log_set_level(a.settings.log_level);
		rc = run(&a, &e);
	}
	if (rc < 0)
		fprintf(stderr, "chaosd: %s\n", err_msg(&e));
	settings_clear(&a.settings);
	if (rc == 0)
		return 0;
	return usage < 0 ? USAGE : 1;
}
