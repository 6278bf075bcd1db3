/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs into files: what they are before, meanwhile and afterwards, and that whatever fails leaves a
 * VM that goes on. */
#include "tests/unit/engine/life/savevm_help.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <noxs/abi.h>

#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

#include <xen/sched.h> /* behind xenctrl.h */

static const enum dom_type types[] = {DOM_PV, DOM_PVH};

static void goes_on_out_of_its_file(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct vm *vm = living("web", types[i]);
		struct saved s;
		uint8_t uuid[16];
		struct result r;
		int reason;
		int file = save(vm, 0, &s);

		assert_int_equal(s.rc, 0);
		assert_int_equal(s.st.pages, 64);
		assert_int_equal(s.st.bytes, lseek(file, 0, SEEK_END));
		vm_uuid(vm, uuid);
		assert_int_equal(vm_state(vm), VM_SAVING); /* until its client has it */
		assert_int_equal(restore(file, NULL, 0).rc, -EEXIST);
		assert_int_equal(vm_save_end(en, s.id, true, NULL), 0);
		assert_int_equal(vm_state(vm), VM_ENDED);
		assert_int_equal(vm_reason(vm, &reason), VM_REASON_SAVED);
		assert_int_equal(vm_save_end(en, s.id, true, NULL), -ESRCH);
		settle(0);
		r = restore(file, NULL, 0);
		if (r.rc < 0)
			fail_msg("%s", r.err.msg);
		assert_memory_equal(uuid, vm_uuid_bytes(r.vm), 16);
		assert_string_equal(vm_name(r.vm), "web");
		assert_int_equal(vm_state(r.vm), VM_RUNNING);
		is_paused(r.vm, false);
		is_resumed(r.vm);
		fake_event(vm_domid(r.vm));
		until(vm_said_ready(r.vm));
		destroy(r.vm);
		settle(0);
		only_the_daemon_is_left();
		(void)close(file);
	}
}

static void copies_have_names_of_their_own(void **state)
{
	struct saved s;
	struct vm *vm = living("web", DOM_PVH);
	int file = save(vm, VM_SAVE_KEEP, &s);
	struct result r;

	(void)state;
	assert_int_equal(s.rc, 0);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	is_paused(vm, false);
	r = restore(file, NULL, 0);
	assert_int_equal(r.rc, -EEXIST);
	assert_non_null(strstr(r.err.msg, "\"web\""));
	assert_non_null(strstr(r.err.msg, "--name"));
	r = restore(file, "web", 0);
	assert_int_equal(r.rc, -EEXIST);
	r = restore(file, "copy", VM_CREATE_PAUSED);
	assert_int_equal(r.rc, 0);
	assert_memory_not_equal(vm_uuid_bytes(r.vm), vm_uuid_bytes(vm), 16);
	assert_int_equal(vm_state(r.vm), VM_PAUSED);
	is_paused(r.vm, true);
	is_resumed(r.vm);
	assert_int_equal(vm_unpause(r.vm, NULL), 0);
	destroy(r.vm);
	destroy(vm);
	settle(0);
	only_the_daemon_is_left();
	(void)close(file);
}

/* A thread that is early has no room either. */
static void fill(int pipe)
{
	static const char nothing[4096];

	assert_int_equal(fcntl(pipe, F_SETFL, O_NONBLOCK), 0);
	while (write(pipe, nothing, sizeof(nothing)) > 0)
		;
	assert_int_equal(fcntl(pipe, F_SETFL, 0), 0);
}

static void what_cannot_be_saved_is_refused(void **state)
{
	struct saved s;
	struct vm *vm = living("web", DOM_PV);
	int fd[2];

	(void)state;
	says(vm, 0);
	assert_int_equal(begin(vm, open("/dev/null", O_WRONLY | O_CLOEXEC), 0, &s), -EOPNOTSUPP);
	assert_non_null(strstr(s.err.msg, "web"));
	assert_int_equal(vm_state(vm), VM_RUNNING);
	says(vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
	assert_int_equal(begin(vm, open("/dev/null", O_RDONLY | O_CLOEXEC), 0, &s), -EINVAL);
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	fill(fd[1]);
	assert_int_equal(begin(vm, fd[1], 0, &s), 0);
	{
		struct saved other;

		assert_int_equal(begin(vm, open("/dev/null", O_WRONLY | O_CLOEXEC), 0, &other),
				 -EBUSY);
		assert_int_equal(vm_pause(vm, NULL), -EBUSY);
		assert_int_equal(vm_rename(vm, "other", NULL), -EBUSY);
		assert_int_equal(vm_shutdown(vm, false, NULL), -EBUSY);
	}
	(void)close(fd[0]); /* nothing reads it */
	until(s.called);
	assert_int_equal(s.rc, -EPIPE);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	is_paused(vm, false);
	destroy(vm);
	settle(0);
	only_the_daemon_is_left();
}

/* It asks for room that a pipe has not. */
static int into_a_pipe(struct vm *vm, struct saved *s)
{
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fd[1], F_SETPIPE_SZ, 4096), 4096);
	assert_int_equal(begin(vm, fd[1], 0, s), 0);
	return fd[0];
}

static void a_pipe_that_stands_still_holds_nothing_up(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct saved s;
	int end = into_a_pipe(vm, &s);

	(void)state;
	tick();
	assert_int_equal(create(guest("other", DOM_PV, 256), 0).rc, 0);
	destroy(engine_find(en, "other"));
	assert_int_equal(vm_save_end(en, s.id, true, &s.err), -EPROTO); /* not written yet */
	assert_int_equal(vm_save_end(en, s.id, false, NULL), 0);
	assert_true(s.called); /* whenever the thread sees it */
	assert_int_equal(s.rc, -ECANCELED);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	is_paused(vm, false);
	until(streams_test_count(en) == 0);
	(void)close(end);

	for (int paused = 0; paused < 2; paused++) { /* unpaused meanwhile */
		if (paused)
			assert_int_equal(vm_pause(vm, NULL), 0);
		end = into_a_pipe(vm, &s);
		assert_int_equal(vm_unpause(vm, NULL), 0);
		assert_true(s.called);
		assert_int_equal(s.rc, -ECANCELED);
		assert_int_equal(vm_state(vm), VM_RUNNING);
		is_paused(vm, false);
		until(streams_test_count(en) == 0);
		(void)close(end);
	}
	(void)close(save(vm, 0, &s)); /* its client stands still */
	assert_int_equal(vm_unpause(vm, NULL), 0);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	assert_int_equal(vm_save_end(en, s.id, true, &s.err), -ESRCH);

	end = into_a_pipe(vm, &s); /* destroyed meanwhile */
	destroy(vm);
	assert_true(s.called);
	assert_int_equal(s.rc, -ECANCELED);
	assert_non_null(strstr(s.err.msg, "destroyed"));
	settle(0);
	until(streams_test_count(en) == 0);
	(void)close(end);

	vm = living("web", DOM_PV); /* it ends by others */
	end = into_a_pipe(vm, &s);
	fake_vanish(vm_domid(vm));
	until(s.called);
	assert_int_equal(s.rc, -ESRCH);
	until(vm_state(vm) == VM_ENDED); /* the thread may find it gone before the event is read */
	until(streams_test_count(en) == 0);
	(void)close(end);
	settle(0);
	only_the_daemon_is_left();
}

static void a_guest_stops_itself(void **state)
{
	struct vm *vm = living("web", DOM_PVH);
	struct saved s;
	int file = memfd_create("saved", MFD_CLOEXEC);

	(void)state;
	says(vm, NOXS_CAN_SAVE | NOXS_CAN_SUSPEND);
	fake_busy(vm_domid(vm), true);
	assert_int_equal(begin(vm, dup(file), VM_SAVE_KEEP, &s), 0);
	tick();
	assert_int_equal(vm_state(vm), VM_SAVING);
	assert_false(s.called);
	fake_end(vm_domid(vm), SHUTDOWN_suspend);
	until(s.called);
	assert_int_equal(s.rc, 0);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	fake_busy(vm_domid(vm), true);
	assert_int_equal(begin(vm, dup(file), VM_SAVE_KEEP, &s), 0);
	assert_int_equal(vm_save_end(en, s.id, false, NULL), 0);
	until(s.called);
	fake_end(vm_domid(vm), SHUTDOWN_suspend); /* an answer that comes late */
	tick();
	assert_int_equal(vm_state(vm), VM_RUNNING);
	says(vm, NOXS_CAN_SAVE); /* not asked: looked at until it rests */
	fake_busy(vm_domid(vm), true);
	assert_int_equal(begin(vm, dup(file), VM_SAVE_KEEP, &s), 0);
	tick();
	is_paused(vm, false);
	fake_busy(vm_domid(vm), false);
	until(s.called);
	assert_int_equal(s.rc, 0);
	assert_int_equal(vm_pause(vm, NULL), 0); /* a paused one stays so */
	(void)close(save(vm, VM_SAVE_KEEP, &s));
	assert_int_equal(vm_state(vm), VM_PAUSED);
	is_paused(vm, true);
	fake_busy(vm_domid(vm), true);
	assert_int_equal(begin(vm, dup(file), 0, &s), -EBUSY);
	assert_int_equal(vm_state(vm), VM_PAUSED);
	destroy(vm);
	vm = living("web", DOM_PVH);
	says(vm, NOXS_CAN_SAVE | NOXS_CAN_SUSPEND);
	fake_end(vm_domid(vm), SHUTDOWN_suspend); /* of its own: nothing has asked it to */
	until(vm_state(vm) == VM_ENDED);
	assert_int_equal(vm_reason(vm, &(int){0}), VM_REASON_SUSPEND);
	assert_int_equal(vm_rm(vm, NULL), 0);
	settle(0);
	only_the_daemon_is_left();
	(void)close(file);
}

/* One that has suspended itself, for a save that is over or not, is never destroyed for that. */
static void a_resume_that_fails_is_tried_again(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		struct vm *vm = living("web", DOM_PVH);
		struct xen_domain_info info = {0};
		bool failed = true;

		says(vm, NOXS_CAN_SAVE | NOXS_CAN_SUSPEND);
		for (uint32_t nth = 1; failed; nth++) {
			struct saved s;

			failed = false;
			fake_busy(vm_domid(vm), true);
			assert_int_equal(begin(vm, open("/dev/null", O_WRONLY | O_CLOEXEC),
					       VM_SAVE_KEEP, &s),
					 0);
			if (late)
				assert_int_equal(vm_save_end(en, s.id, false, NULL), 0);
			fake_fail_at(nth, EIO);
			fake_end(vm_domid(vm), SHUTDOWN_suspend);
			until(s.called);
			for (bool resumed = false; !resumed;) {
				tick();
				assert_int_equal(vm_state(vm), VM_RUNNING);
				resumed =
					xen_domain_info(engine_xen(en), vm_domid(vm), &info) == 0 &&
					!info.shutdown;
				if (fake_failed()) {
					failed = true;
					fake_fail_at(0, 0);
				}
			}
			fake_fail_at(0, 0);
			until(streams_test_count(en) == 0);
		}
		destroy(vm);
		settle(0);
		only_the_daemon_is_left();
	}
}

/* Whatever it says of itself by then. */
static void one_that_has_stopped_itself_is_resumed_by_the_next_daemon(void **state)
{
	struct vm *vm = living("web", DOM_PVH);
	struct xen_domain_info info;
	struct saved s;
	int file = memfd_create("saved", MFD_CLOEXEC);

	(void)state;
	says(vm, NOXS_CAN_SAVE | NOXS_CAN_SUSPEND);
	fake_busy(vm_domid(vm), true);
	assert_int_equal(begin(vm, file, 0, &s), 0);
	fake_end(vm_domid(vm), SHUTDOWN_suspend);
	until(s.called);
	assert_int_equal(s.rc, 0);
	says(vm, NOXS_CAN_SAVE);
	{
		uint32_t domid = vm_domid(vm);
		struct xen *x;

		daemon_dies();
		assert_int_equal(xen_open(&x, NULL), 0);
		assert_int_equal(xen_domain_info(x, domid, &info), 0);
		if (!info.shutdown) { /* it went as if it had ended in good order */
			fake_end(domid, SHUTDOWN_suspend);
		}
		xen_close(x);
	}
	daemon_starts();
	tick();
	vm = engine_find(en, "web");
	assert_non_null(vm);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	assert_int_equal(xen_domain_info(engine_xen(en), vm_domid(vm), &info), 0);
	assert_false(info.shutdown);
	destroy(vm);
	settle(0);
	only_the_daemon_is_left();
}

static void the_next_daemon_lets_it_go_on(void **state)
{
	(void)state;
	for (int paused = 0; paused < 2; paused++) {
		struct vm *vm = living("web", DOM_PV);
		struct saved s;
		uint32_t domid = vm_domid(vm);
		struct xen *x;

		if (paused)
			assert_int_equal(vm_pause(vm, NULL), 0);
		(void)close(save(vm, 0, &s));
		assert_int_equal(s.rc, 0);
		daemon_dies();
		assert_int_equal(xen_open(&x, NULL), 0);
		if (!paused) /* it went as if it had ended in good order */
			assert_int_equal(xen_domain_pause(x, domid), 0);
		xen_close(x);
		daemon_starts();
		vm = engine_find(en, "web");
		assert_non_null(vm);
		assert_int_equal(vm_domid(vm), domid);
		assert_int_equal(vm_state(vm), paused ? VM_PAUSED : VM_RUNNING);
		is_paused(vm, paused);
		destroy(vm);
		settle(0);
		only_the_daemon_is_left();
	}
}

/* A restore whose pipe stands still is destroyed; the engine closes on another. */
static void failing_saves_change_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct vm *vm = living("web", types[i]);
		struct saved first;
		uint32_t files;

		(void)close(save(vm, VM_SAVE_KEEP, &first)); /* the thread has its handle now */
		until(streams_test_count(en) == 0);
		files = open_files();
		for (uint32_t nth = 1;; nth++) {
			int file = memfd_create("saved", MFD_CLOEXEC);
			struct saved s;
			int rc;

			fake_fail_at(nth, EIO);
			rc = begin(vm, file, VM_SAVE_KEEP, &s);
			if (rc == 0)
				until(s.called);
			rc = rc == 0 ? s.rc : rc;
			if (rc < 0 && s.err.msg[0] == '\0')
				fail_msg("call %u: no words", nth);
			if (vm_state(vm) == VM_PAUSED) { /* the last unpause has failed */
				fake_fail_at(0, 0);
				assert_int_equal(vm_unpause(vm, NULL), 0);
			}
			assert_int_equal(vm_state(vm), VM_RUNNING);
			is_paused(vm, false);
			if (rc == 0 && !fake_failed())
				break;
			fake_fail_at(0, 0);
			until(streams_test_count(en) == 0);
			assert_int_equal(open_files(), files);
		}
		fake_fail_at(0, 0);
		destroy(vm);
		settle(0);
		only_the_daemon_is_left();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(goes_on_out_of_its_file),
		LIFE(copies_have_names_of_their_own),
		LIFE(what_cannot_be_saved_is_refused),
		LIFE(a_pipe_that_stands_still_holds_nothing_up),
		LIFE(a_guest_stops_itself),
		LIFE(a_resume_that_fails_is_tried_again),
		LIFE(one_that_has_stopped_itself_is_resumed_by_the_next_daemon),
		LIFE(the_next_daemon_lets_it_go_on),
		LIFE(failing_saves_change_nothing),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
