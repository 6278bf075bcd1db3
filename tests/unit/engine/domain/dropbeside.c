/* SPDX-License-Identifier: BSD-3-Clause */
/* Beside xenstored: the note of a domain that is destroyed outlives what xenstored has of it. */
#include "tests/unit/engine/engine_help.h"

#include "base/log.h"
#include "split-toolstack/engine/devices/devices_test.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/parts/parts.h"
#include "tests/unit/engine/xenstored_help.h"

#define BACK "/local/domain/0/backend"

static int start(void **state)
{
	xs_reset();
	if (setup(state) < 0)
		return -1;
	log_set_level(LOG_ERROR + 1);
	engine_set_store(en, STORE_BESIDE);
	return devices_test_mirror_open(en);
}

static void it_stays_until_its_devices_have_left(void **state)
{
	static const uint8_t uuid[16] = {5};

	(void)state;
	xs_put_in(BACK "/vif/700", "");
	xs_put_in(BACK "/vbd/700/51712/state", "1");
	xs_put_in(BACK "/vif/7/0", ""); /* another toolstack's */
	drop_note(en, 700, uuid);
	drops_adopt(en);
	while (domain_is_dropped(en, 700))
		(void)ev_run(engine_loop(en), EVRUN_ONCE);
	assert_true(xs_has(BACK "/vif/700", NULL) && xs_has(BACK "/vbd/700", NULL));
	assert_true(xs_has(BACK "/vif/7/0", ""));
	settle(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_stays_until_its_devices_have_left, start,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
