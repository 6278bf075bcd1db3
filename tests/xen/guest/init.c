/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The test guest's process 1: mounts, modules, network, then the words of guest= in their order.
 *
 *   ip=ADDRESS/PREFIX, ip1=.., ip6=..  addresses of eth0, eth1, and a second one of eth0
 *   guest=WORD,WORD,...                nproc, dump, put=IP:PORT:MIB, get=.., write=DEV:MIB:SEED,
 *                                      verify=.., keep=.., ro=DEV, count=DEV, vifs=N, mem,
 *                                      grown=MIB:MIB, churn=MIB:RATE, address, poweroff, reboot
 *
 * Then it waits for the toolstack. As /sbin/poweroff or /sbin/reboot, which is what the kernel runs
 * when control/shutdown is written, it tells process 1.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

void say(const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	/* in one piece: the serving process prints too */
	dprintf(1, "guest: %s\n", line);
}

bool appears(const char *path)
{
	for (unsigned int tries = 0; tries < 600; tries++) {
		if (access(path, F_OK) == 0)
			return true;
		(void)usleep(50000);
	}
	say("%s does not appear", path);
	return false;
}

static void mounted(const char *type, const char *at)
{
	(void)mkdir(at, 0755);
	if (mount(type, at, type, 0, NULL) && errno != EBUSY)
		say("mount %s: %s", at, strerror(errno));
}

/* /modules/RELEASE/order names the files, what is needed first. A Debian root loads its own. */
static void load_modules(void)
{
	struct utsname un;
	char path[256], name[128];
	FILE *order;

	(void)uname(&un);
	(void)snprintf(path, sizeof(path), "/modules/%s/order", un.release);
	order = fopen(path, "re");
	if (!order)
		return;
	while (fscanf(order, "%127s", name) == 1) {
		int fd;

		(void)snprintf(path, sizeof(path), "/modules/%s/%s", un.release, name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			say("module %s: %s", name, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	(void)fclose(order);
}

/* The value of key (with its '=') on the kernel's command line, to be freed, or NULL. */
static char *word(const char *line, const char *key)
{
	for (const char *p = line; (p = strstr(p, key)); p++) {
		if (p == line || p[-1] == ' ')
			return strndup(p + strlen(key), strcspn(p + strlen(key), " \n"));
	}
	return NULL;
}

static void over(int how)
{
	say(how == RB_AUTOBOOT ? "reboots" : "powers off");
	sync();
	(void)mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	(void)reboot(how);
	say("reboot: %s", strerror(errno));
}

static void act(char *what)
{
	char *value = strchr(what, '=');

	if (value)
		*value++ = '\0';
	if (!strcmp(what, "nproc"))
		say("nproc %ld", sysconf(_SC_NPROCESSORS_ONLN));
	else if (!strcmp(what, "dump"))
		store_dump();
	else if (!strcmp(what, "address")) {
		net_serve();
		store_address();
	} else if (!strcmp(what, "mem"))
		mem_report();
	else if (!strcmp(what, "poweroff"))
		over(RB_POWER_OFF);
	else if (!strcmp(what, "reboot"))
		over(RB_AUTOBOOT);
	else if (value && (!strcmp(what, "put") || !strcmp(what, "get")))
		net_transfer(what, value);
	else if (value && !strcmp(what, "vifs"))
		net_count((unsigned int)strtoul(value, NULL, 10));
	else if (value && !strcmp(what, "count"))
		disk_count(value);
	else if (value && !strcmp(what, "grown"))
		mem_grown(value);
	else if (value && !strcmp(what, "churn"))
		churn(value);
	else if (value && (!strcmp(what, "write") || !strcmp(what, "verify") ||
			   !strcmp(what, "keep") || !strcmp(what, "ro")))
		disk_do(what, value);
	else
		say("unknown word %s", what);
}

static void addresses(const char *line)
{
	static const struct {
		const char *key;
		unsigned int index;
	} keys[] = {{"ip=", 0}, {"ip6=", 0}, {"ip1=", 1}};
	bool any = false;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char *value = word(line, keys[i].key);

		if (value) {
			(void)net_address(keys[i].index, value);
			any = true;
		}
		free(value);
	}
	if (any)
		net_serve();
}

static int tell_init(const char *name)
{
	if (!strcmp(name, "poweroff") || !strcmp(name, "halt"))
		return kill(1, SIGUSR2) ? 1 : 0;
	if (!strcmp(name, "reboot"))
		return kill(1, SIGUSR1) ? 1 : 0;
	(void)fprintf(stderr, "%s: not process 1\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 && strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	char line[4096] = "";
	struct utsname un;
	sigset_t wanted;
	char *words, *rest;
	int fd, sig = 0;

	if (getpid() != 1)
		return tell_init(name);
	(void)sigemptyset(&wanted);
	(void)sigaddset(&wanted, SIGUSR1);
	(void)sigaddset(&wanted, SIGUSR2);
	(void)sigprocmask(SIG_BLOCK, &wanted, NULL);
	(void)signal(SIGCHLD, SIG_IGN);
	mounted("proc", "/proc");
	mounted("sysfs", "/sys");
	mounted("devtmpfs", "/dev");
	(void)uname(&un);
	say("Linux %s is up", un.release);
	load_modules();
	fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = read(fd, line, sizeof(line) - 1);

		line[n > 0 ? n : 0] = '\0';
		close(fd);
	}
	addresses(line);
	words = word(line, "guest=");
	rest = words;
	for (char *w; rest && (w = strsep(&rest, ","));) {
		if (*w)
			act(w);
	}
	free(words);
	say("ready");
	(void)sigwait(&wanted, &sig);
	over(sig == SIGUSR1 ? RB_AUTOBOOT : RB_POWER_OFF);
	for (;;)
		(void)pause();
}
