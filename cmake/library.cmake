# libmzv as archive and as shared library, of the same objects, and everything that installs.
# The shared library exports the functions of include/mzv/ and nothing else; the archive serves the command, and
# programs that want one file.

set(mzv_needs m OpenMP::OpenMP_C PkgConfig::JANSSON PkgConfig::XXHASH PkgConfig::CRYPTO)
if(MZV_WITH_CUDA)
    list(APPEND mzv_needs CUDA::cudart_static stdc++) # host code of kernels: guards of static variables
endif()

add_library(mzv_static STATIC ${mzv_objects})
add_library(mzv_shared SHARED ${mzv_objects})
foreach(kind static shared)
    target_include_directories(mzv_${kind} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(mzv_${kind} PRIVATE ${mzv_needs})
    set_target_properties(mzv_${kind} PROPERTIES OUTPUT_NAME mzv)
endforeach()
set_target_properties(mzv_static PROPERTIES EXPORT_NAME mzv_static)
set_target_properties(mzv_shared PROPERTIES EXPORT_NAME mzv VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/mzv.map)
target_link_options(mzv_shared PRIVATE "LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/mzv.map"
                    $<$<NOT:$<BOOL:${MZV_SANITIZE}>>:LINKER:-z,defs>)
add_library(mezzavoce::mzv ALIAS mzv_shared)
add_library(mezzavoce::mzv_static ALIAS mzv_static)

# Two export sets: a program that links the shared library needs none of what the archive needs.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mezzavoce)
configure_package_config_file(cmake/mezzavoceConfig.cmake.in mezzavoceConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(mezzavoceConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(TARGETS mzv_shared EXPORT mezzavoceTargets)
install(TARGETS mzv_static EXPORT mezzavoceStaticTargets)
install(EXPORT mezzavoceTargets NAMESPACE mezzavoce:: DESTINATION ${package_dir})
install(EXPORT mezzavoceStaticTargets NAMESPACE mezzavoce:: DESTINATION ${package_dir})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/mezzavoceConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/mezzavoceConfigVersion.cmake
        DESTINATION ${package_dir})

# pkg-config: what the archive needs is private, and asked for by `pkg-config --static`.
set(mzv_libs_private -lm)
foreach(name IN LISTS OpenMP_C_LIB_NAMES)
    get_filename_component(folder ${OpenMP_${name}_LIBRARY} DIRECTORY)
    if(NOT folder IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
        list(APPEND mzv_libs_private -L${folder})
    endif()
    list(APPEND mzv_libs_private -l${name})
endforeach()
if(MZV_WITH_CUDA)
    list(APPEND mzv_libs_private ${CUDA_cudart_static_LIBRARY} -lstdc++ -ldl -lrt -lpthread)
endif()
list(JOIN mzv_libs_private " " mzv_libs_private)
file(RELATIVE_PATH mzv_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX}) # may be moved as a whole
configure_file(cmake/mzv.pc.in mzv.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/mzv.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(DIRECTORY include/mzv DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN "*.yml" PATTERN "*.svg")
install(FILES LICENSE SECURITY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
