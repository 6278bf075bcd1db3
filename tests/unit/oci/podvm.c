/* SPDX-License-Identifier: BSD-3-Clause */
/* A container in the VM of a pod: its disk is noted before it is there, and it leaves a VM that may
 * be there only when that was asked. The sandbox's monitor is this process, or one that has ended.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/control.h"
#include "oci/pod.h"
#include "oci/vm.h"

static char folder[] = "/tmp/chaos-unit-podvm-XXXXXX";
static struct oci oci = {.root = folder};

/* What chaosd, the monitor and the agent do, and what they were asked. */
static struct {
	uint32_t foreign; /* disks that are no container's, a bit for each letter */
	int attach, detach[3], begin, hear;
	char noted[8]; /* in the folder of `joins`, when its disk was attached */
	const char *joins;
	unsigned int attached, detached, asked;
	uint32_t flags;
	char disk[8];
} vm;

int vm_attach(const char *uuid, const char *disk, struct err *e)
{
	const char *vdev = strstr(disk, "vdev=xvd");
	struct container c;

	assert_non_null(uuid);
	assert_non_null(vdev);
	assert_int_equal(container_open(&c, &oci, vm.joins, NULL), 0);
	memcpy(vm.noted, c.disk, sizeof(vm.noted));
	container_close(&c);
	assert_memory_equal(vm.noted, vdev + 5, 4);
	if (vm.foreign & 1u << (vdev[8] - 'a'))
		return err_set(e, EEXIST, "taken");
	vm.attached++;
	return vm.attach ? err_set(e, -vm.attach, "attach") : 0;
}

int vm_detach(const char *uuid, const char *vdev, uint32_t flags, struct err *e)
{
	int rc = vm.detached < 3 ? vm.detach[vm.detached] : 0;

	assert_non_null(uuid);
	vm.detached++;
	vm.flags = flags;
	(void)snprintf(vm.disk, sizeof(vm.disk), "%s", vdev);
	return rc < 0 ? err_set(e, -rc, "detach") : 0;
}

int control_begin(const struct container *c, enum control_op op, uint32_t number, const int *files,
		  uint32_t nfile, struct err *e)
{
	(void)op;
	(void)number;
	assert_string_equal(c->id, "box");
	assert_int_equal(nfile, CONTROL_FILES);
	for (uint32_t i = 0; i < nfile; i++)
		assert_true(files[i] >= 0);
	vm.asked++;
	return vm.begin ? err_set(e, -vm.begin, "begin") : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int control_hear(int fd, int ms, const struct container *c, struct err *e)
{
	(void)c;
	assert_true(fd >= 0 && ms > 0);
	return vm.hear ? err_set(e, -vm.hear, "hear") : 0;
}

/* --- folders --- */

static void make(struct container *c, const char *id, pid_t pid)
{
	struct bundle b = {.path = folder};
	struct err e = {0};

	assert_int_equal(container_new(c, &oci, id, &b, &e), 0);
	if (pid)
		assert_int_equal(container_set_pid(c, pid, &e), 0);
}

static void drop(struct container *c)
{
	assert_int_equal(container_remove(c, &oci, NULL), 0);
	container_close(c);
}

static void write_state(const char *id, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s/state.json", folder, id);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int join(struct container *c, const struct container *box, bool with_image, struct err *e)
{
	static char path[] = "/image";
	struct plan p = {.kernel_fd = -1, .initrd_fd = -1};
	struct bundle b = {.config = json_object()};
	int rc;

	if (with_image)
		p.image.path = path;
	vm.joins = c->id;
	rc = pod_join(c, box, &b, &p, &oci, e);
	json_decref(b.config);
	return rc;
}

static void expect_note(const char *id, const char *disk)
{
	struct container c;

	assert_int_equal(container_open(&c, &oci, id, NULL), 0);
	assert_string_equal(c.pod, "box");
	assert_string_equal(c.disk, disk);
	container_close(&c);
}

/* --- tests --- */

/* Each has a name of its own, also beside one whose creation was killed before its disk was there,
 * and beside disks of nobody here. */
static void test_disks(void **state)
{
	struct container box;
	struct container c[3];
	struct err e = {0};

	(void)state;
	memset(&vm, 0, sizeof(vm));
	make(&box, "box", getpid());
	make(&c[0], "a", 0);
	make(&c[1], "b", 0);
	make(&c[2], "c", 0);
	assert_int_equal(join(&c[0], &box, true, &e), 0);
	expect_note("a", "xvdb");
	assert_int_equal(container_set_pod(&c[1], "box", "xvdc", NULL), 0); /* it was killed here */
	vm.foreign = 1u << 3;
	assert_int_equal(join(&c[2], &box, true, &e), 0);
	expect_note("c", "xvde");
	assert_int_equal(vm.attached, 2);
	/* none is left: another one's is not noted as its own */
	vm.foreign = ~0u;
	assert_int_equal(join(&c[2], &box, true, &e), -EEXIST);
	expect_note("c", "");
	/* whether it is there is not known */
	vm.foreign = 0;
	vm.attach = -ETIMEDOUT;
	assert_int_equal(join(&c[2], &box, true, &e), -ETIMEDOUT);
	expect_note("c", "xvdd");
	vm.attach = 0;
	/* the VM has as many processes as it can have */
	vm.hear = -EBUSY;
	assert_int_equal(join(&c[2], &box, true, &e), -EBUSY);
	assert_int_equal(vm.detached, 1);
	assert_string_equal(vm.disk, "xvdd");
	vm.hear = 0;
	/* without an image there is none; a folder that is damaged is nobody's hindrance */
	write_state("b", "{");
	vm.attached = 0;
	assert_int_equal(join(&c[2], &box, false, &e), 0);
	expect_note("c", "");
	assert_int_equal(vm.attached, 0);
	for (int i = 0; i < 3; i++)
		drop(&c[i]);
	drop(&box);
}

static int leave(const char *pod, const char *disk, struct err *e)
{
	struct container c;
	int rc;

	vm.asked = vm.detached = vm.flags = 0;
	memset(e, 0, sizeof(*e));
	make(&c, "c", 0);
	assert_int_equal(container_set_pod(&c, pod, disk, NULL), 0);
	rc = pod_leave(&c, &oci, e);
	drop(&c);
	return rc;
}

static void test_leaves(void **state)
{
	struct container box;
	struct err e;

	(void)state;
	memset(&vm, 0, sizeof(vm));
	make(&box, "box", getpid());
	assert_int_equal(leave("box", "xvdc", &e), 0);
	assert_int_equal(vm.asked, 1);
	assert_int_equal(vm.detached, 1);
	assert_int_equal(vm.flags, 0);
	assert_string_equal(vm.disk, "xvdc");
	assert_int_equal(leave("box", "", &e), 0);
	assert_int_equal(vm.asked, 1);
	assert_int_equal(vm.detached, 0);
	/* it is still being attached */
	vm.detach[0] = vm.detach[1] = -EBUSY;
	assert_int_equal(leave("box", "xvdc", &e), 0);
	assert_int_equal(vm.detached, 3);
	vm.detach[0] = vm.detach[1] = 0;
	/* a guest that does not answer, or refuses */
	vm.hear = -ETIMEDOUT;
	assert_int_equal(leave("box", "xvdc", &e), 0);
	assert_int_equal(vm.flags, CHAOS_FORCE);
	vm.hear = -EIO;
	assert_int_equal(leave("box", "xvdc", &e), 0);
	assert_int_equal(vm.flags, CHAOS_FORCE);
	drop(&box);
}

static void refused(int rc, int code, const struct err *e, const char *part)
{
	assert_int_equal(rc, code);
	assert_non_null(strstr(err_msg(e), "container c cannot leave the VM of pod box: "));
	assert_non_null(strstr(err_msg(e), part));
	assert_null(strchr(err_msg(e), '\n'));
}

static void test_not_asked(void **state)
{
	struct container box;
	struct err e;

	(void)state;
	memset(&vm, 0, sizeof(vm));
	make(&box, "box", getpid());
	assert_int_equal(container_mark(&box, "started", true, NULL), 0);
	/* all 15 processes are there; its socket cannot be reached */
	vm.hear = -EBUSY;
	refused(leave("box", "", &e), -EBUSY, &e, "hear");
	vm.hear = 0;
	vm.begin = -ECONNREFUSED;
	refused(leave("box", "xvdc", &e), -ECONNREFUSED, &e, "begin");
	assert_int_equal(vm.detached, 0);
	vm.begin = 0;
	/* no chaosd */
	vm.detach[0] = -ENOENT;
	refused(leave("box", "xvdc", &e), -ENOENT, &e, "detach");
	vm.detach[0] = 0;
	assert_int_equal(container_mark(&box, "paused", true, NULL), 0);
	refused(leave("box", "xvdc", &e), -EAGAIN, &e, "its sandbox is paused");
	assert_int_equal(vm.asked, 0);
	/* its state cannot be read */
	write_state("box", "{\"uuid\": ");
	refused(leave("box", "xvdc", &e), -EINVAL, &e, "state.json is damaged");
	assert_int_equal(vm.asked, 0);
	drop(&box);
}

/* Only then there is nothing to ask. */
static void test_gone(void **state)
{
	struct container box;
	siginfo_t end;
	struct err e;
	pid_t pid;

	(void)state;
	memset(&vm, 0, sizeof(vm));
	vm.begin = vm.hear = -EIO;
	assert_int_equal(leave("box", "xvdc", &e), 0);
	pid = fork();
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT), 0);
	make(&box, "box", pid); /* a zombie */
	assert_int_equal(leave("box", "xvdc", &e), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(leave("box", "xvdc", &e), 0);
	assert_int_equal(vm.asked, 0);
	drop(&box);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disks), cmocka_unit_test(test_leaves),
		cmocka_unit_test(test_not_asked), cmocka_unit_test(test_gone)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
