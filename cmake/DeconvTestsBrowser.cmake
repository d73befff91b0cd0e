# The report in headless Chromium, where there are Chromium, its driver and Selenium for Python.
find_program(DECONV_CHROMIUM NAMES chromium chromium-browser google-chrome)
find_program(DECONV_CHROMEDRIVER chromedriver)
find_program(DECONV_SYSTEM_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
mark_as_advanced(DECONV_CHROMIUM DECONV_CHROMEDRIVER DECONV_SYSTEM_PYTHON)
if(NOT (TARGET deconv_tool AND DECONV_CHROMIUM AND DECONV_CHROMEDRIVER AND DECONV_SYSTEM_PYTHON))
  message(STATUS "deconv: no Chromium with its driver here, the report is not tried in a browser")
  return()
endif()
add_test(NAME browser.report
  COMMAND "${DECONV_SYSTEM_PYTHON}" "${PROJECT_SOURCE_DIR}/tests/browser/report.py" "$<TARGET_FILE:deconv_tool>"
          "${PROJECT_BINARY_DIR}/screenshots")
set_tests_properties(browser.report PROPERTIES LABELS browser TIMEOUT 600 SKIP_RETURN_CODE 77
  ENVIRONMENT "DECONV_CHROMIUM=${DECONV_CHROMIUM};DECONV_CHROMEDRIVER=${DECONV_CHROMEDRIVER}")
